// The objective: evaluation, gradients and Hessian products without an optimizer.
#include <algorithm>
#include <cmath>

#include "backpass/objective.h"
#include "backpass/trainer.h"
#include "io_check.h"

namespace backpass {
namespace {

const std::vector<double> kX{-1, -0.5, 0, 0.5, 1, 1.5}, kY{1, 0.2, 0, 0.3, 1.1, 2};

ArrayView column(const std::vector<double>& values) { return {values.data(), {static_cast<Dim>(values.size()), 1}}; }

Network network(std::uint64_t seed = 3) {
  return sequential({1}, {Dense{.units = 3, .activation = "tanh"}, Dense{1}}, {.seed = seed, .dtype = DType::float64});
}

std::span<double> parameters(Network& net) {
  return {static_cast<double*>(net.flat_parameters()), static_cast<std::size_t>(net.n_parameters())};
}

std::vector<double> gradient(Objective& objective, Network& net) {
  objective.gradients(column(kX), column(kY), {}, 0);
  const double* grads = static_cast<const double*>(net.flat_gradients());
  return {grads, grads + net.n_parameters()};
}

void test_evaluation_needs_no_optimizer() {
  Network net = network();
  Objective objective(net, MSE{});
  const Logs logs = objective.evaluate({column(kX), column(kY)}, {{"mse", metric("mse")}});
  const Array predicted = net.predict(column(kX));
  double sum = 0;
  for (std::size_t i = 0; i < kX.size(); ++i) sum += std::pow(predicted.values<double>()[i] - kY[i], 2);
  const double mean = sum / static_cast<double>(kX.size());
  CHECK(logs.size() == 2 && logs[0].first == "loss" && std::fabs(logs[0].second - mean) < 1e-14);
  CHECK(std::fabs(logs[1].second - mean) < 1e-14);
  CHECK(objective.check(column(kX), column(kY)) == 6);
  CHECK(refuses([&] { objective.check(column(kX), column({1})); }, "expected 6 rows"));
  CHECK(refuses([&] { objective.evaluate({column(kX), column({1})}); }, "expected 6 rows"));
}

// With a penalty: its slope is 2 * 0.1 w, its curvature 0.2.
void test_gradients_and_hessian_products_are_slopes() {
  Network net = network();
  Objective objective(net, MSE{}, {.weight_penalty = {l2(0.1)}});
  const std::span<double> w = parameters(net);
  const std::vector<double> first = gradient(objective, net), direction{1, -2, 0.5, 0.3, -1, 2, 0.1, -0.7, 1.5, 0.4};
  CHECK(w.size() == direction.size());
  constexpr double kStep = 1e-5;
  const auto value = [&] { return objective.gradients(column(kX), column(kY), {}, 0); };
  for (std::size_t i = 0; i < w.size(); ++i) {
    const double kept = w[i];
    w[i] = kept + kStep;
    const double above = value();
    w[i] = kept - kStep;
    const double below = value();
    w[i] = kept;
    CHECK(std::fabs((above - below) / (2 * kStep) - first[i]) < 1e-8);
  }
  const Array product = objective.hvp(column(kX), column(kY), ArrayView(direction), {}, 0);
  const auto moved = [&](double by) {
    for (std::size_t i = 0; i < w.size(); ++i) w[i] += by * direction[i];
    const std::vector<double> there = gradient(objective, net);
    for (std::size_t i = 0; i < w.size(); ++i) w[i] -= by * direction[i];
    return there;
  };
  const std::vector<double> above = moved(kStep), below = moved(-kStep);
  for (std::size_t i = 0; i < w.size(); ++i)
    CHECK(std::fabs((above[i] - below[i]) / (2 * kStep) - product.values<double>()[i]) < 1e-7);
}

void test_a_trainer_is_an_objective_and_an_optimizer() {
  Network net = network(), twin = network();
  Objective objective(net, MSE{});
  Trainer over(objective, SGD{.learning_rate = 0.1}), made(twin, MSE{}, SGD{.learning_rate = 0.1});
  for (int i = 0; i < 5; ++i) CHECK(over.step(column(kX), column(kY)) == made.step(column(kX), column(kY)));
  const double loss = objective.evaluate({column(kX), column(kY)})[0].second;
  CHECK(loss == made.objective().evaluate({column(kX), column(kY)})[0].second);
  CHECK(loss == made.evaluate({column(kX), column(kY)})[0].second);
  CHECK(refuses([] { Objective({}, MSE{}); }, "[Objective] needs a network"));
  CHECK(refuses([&] { Objective(net, MSE{}, {.threads = -1}); }, "[Objective] threads"));
  CHECK(refuses([&] { Objective(net, MSE{}, {.weight_penalty = {l2(0.1, "nothing")}}); }, "patterns must match"));
  CHECK(refuses([&] { Trainer({}, MSE{}, SGD{}); }, "[Trainer] needs a network"));
}

// A linear loss: no product depends on the vector, which is read nowhere.
void test_hessian_products_of_a_linear_loss_are_zero() {
  Network net = sequential({1}, {Dense{1}}, {.seed = 1, .dtype = DType::float64});
  const std::vector<double> vector{1, 2};
  const Array product = Objective(net, MAE{}).hvp(column(kX), column(kY), ArrayView(vector));
  for (const double each : product.values<double>()) CHECK(each == 0);
}

// Each updates as its optimizer does, by hand or not, whoever was first.
void test_trainers_of_one_objective_keep_their_updates_apart() {
  Network net = network(), twin = network();
  Objective objective(net, MSE{});
  const auto by_hand = [](Network& moved, Optimizer& optimizer) {
    for (double& each : parameters(moved)) each += 0.25;
    return optimizer.count_step(moved), true;
  };
  Trainer shared[] = {{objective, SGD{.learning_rate = 0.1}}, {objective, Adam{}}, {objective, SGD{}, by_hand}};
  Trainer apart[] = {
      {twin, MSE{}, SGD{.learning_rate = 0.1}}, {twin, MSE{}, Adam{}}, {twin, MSE{}, SGD{}, {.update = by_hand}}};
  for (int i = 0; i < 9; ++i) {
    CHECK(shared[i % 3].step(column(kX), column(kY)) == apart[i % 3].step(column(kX), column(kY)));
    CHECK(std::ranges::equal(parameters(net), parameters(twin)));
  }
}

// A term of activations is in the loss in training, in its gradient and in the history, and not in evaluation.
void test_what_layers_add_to_the_loss() {
  const Tensor in = input({kBatch, 1}, DType::float64, "x");
  const Tensor hidden = Layer(Dense{.units = 2, .bias = false})(in);
  Network net({in}, {Layer(Dense{.units = 1, .bias = false})(add_loss(hidden, square(hidden) * 0.5))}, {.seed = 1});
  Objective objective(net, MSE{});
  double squares = 0;
  for (const double x : kX) squares += x * x;
  const std::span<const double> w = net.values<double>("0.weight"), v = net.values<double>("1.weight");
  const double mean = squares / static_cast<double>(kX.size());
  const double added = 0.5 * mean * (w[0] * w[0] + w[1] * w[1]) / 2;
  const double alone = objective.evaluate({column(kX), column(kY)})[0].second;
  CHECK(std::fabs(objective.gradients(column(kX), column(kY), {}, 0) - alone - added) < 1e-14);
  const double* grads = static_cast<const double*>(net.flat_gradients());
  double error = 0;  // the mean of error times x: what the loss alone passes on
  for (std::size_t i = 0; i < kX.size(); ++i)
    error += ((w[0] * v[0] + w[1] * v[1]) * kX[i] - kY[i]) * kX[i] / static_cast<double>(kX.size());
  CHECK(std::fabs(grads[0] - (2 * error * v[0] + 0.5 * mean * w[0])) < 1e-14);
  Trainer trainer(net, MSE{}, SGD{.learning_rate = 0});
  const History history = trainer.fit(column(kX), column(kY), {.batch_size = 6});
  CHECK(std::fabs(history["added_loss"][0] - added) < 1e-14);
  CHECK(std::fabs(history["loss"][0] - alone - added) < 1e-14);
  CHECK(refuses([&] { add_loss(in, constant(1.0, {}, DType::float32)); }, "term must be of float64"));
}

}  // namespace
}  // namespace backpass

int main() {
  using namespace backpass;
  test_evaluation_needs_no_optimizer();
  test_gradients_and_hessian_products_are_slopes();
  test_a_trainer_is_an_objective_and_an_optimizer();
  test_hessian_products_of_a_linear_loss_are_zero();
  test_trainers_of_one_objective_keep_their_updates_apart();
  test_what_layers_add_to_the_loss();
  std::printf("%s\n", failures == 0 ? "ok" : "FAILED");
  return failures == 0 ? 0 : 1;
}
