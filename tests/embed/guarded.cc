// Steps that would leave numbers that are not finite, epochs whose rows weigh differently, and the weights that a
// watcher goes back to.
//
//   guarded    prints nothing; exits with 1 where something is other than it should be

#include <backpass/backpass.h>

#include <cmath>
#include <iostream>
#include <vector>

namespace bp = backpass;

namespace {

int failures = 0;

void check(bool right, const char* what) {
  if (!right) std::cerr << "guarded: " << what << '\n', ++failures;
}

bp::Network line(double weight, bp::DType dtype = bp::DType::float32) {
  bp::Network network = bp::sequential({1}, {bp::Dense{.units = 1, .bias = false}}, {.seed = 0, .dtype = dtype});
  if (dtype == bp::DType::float64)
    network.values<double>("0.weight")[0] = weight;
  else
    network.values<float>("0.weight")[0] = static_cast<float>(weight);
  return network;
}

void an_overflow_changes_nothing() {
  const std::vector<float> x{1e30f}, y{1e15f};
  bp::Network network = line(0);
  bp::Optimizer adam{bp::Adam{}};
  bp::Trainer trainer{network, bp::MSE{}, adam};
  check(std::isnan(trainer.step({x.data(), {1, 1}}, {y.data(), {1, 1}})), "the step's loss is not nan");
  try {
    trainer.fit({x.data(), {1, 1}}, {y.data(), {1, 1}});
    check(false, "fit does not throw");
  } catch (const bp::DivergedError& error) {
    check(error.layer == "the gradient", "fit does not name the gradient");
  }
  try {
    adam.step(network);
    check(false, "a step by hand does not throw");
  } catch (const std::invalid_argument&) {
  }
  check(network.values<float>("0.weight")[0] == 0 && adam.steps() == 0, "something has changed");
}

void an_epoch_is_a_mean_by_weights() {
  const std::vector<float> x{1, 1}, y{2, -2}, weight{1, 0};
  bp::Network network = line(0);
  bp::Trainer trainer{network, bp::MSE{}, bp::SGD{.learning_rate = 0}};
  const bp::TrainingData data{{x.data(), {2, 1}}, {y.data(), {2, 1}}, {weight.data(), {2}}};
  check(trainer.fit(data, {.batch_size = 1})["loss"][0] == 4, "the epoch's loss is not 4");
  check(trainer.evaluate(data)[0].second == 4, "evaluate's loss is not 4");
}

// The loss (w - 3)^2 from w = 1; each step makes it four times as much.
void the_weights_that_were_judged_come_back() {
  const std::vector<double> x{1}, y{3};
  bp::Network network = line(1, bp::DType::float64);
  bp::Optimizer sgd{bp::SGD{.learning_rate = 1.5}};
  bp::Trainer trainer{network, bp::MSE{}, sgd};
  bp::EarlyStopping stopping{{.monitor = "loss", .patience = 2}};
  bp::FitOptions options{.epochs = 9};
  bp::watch(options.hooks, stopping, trainer, network, sgd);
  trainer.fit({x.data(), {1, 1}}, {y.data(), {1, 1}}, options);
  stopping.fit_end(network);
  check(stopping.best() == 4 && network.values<double>("0.weight")[0] == 1,
        "the weights are not those of the best loss");
}

}  // namespace

int main() {
  an_overflow_changes_nothing();
  an_epoch_is_a_mean_by_weights();
  the_weights_that_were_judged_come_back();
  return failures > 0;
}
