// Fits a line under the eyes of watchers: a learning rate on a schedule, cut on plateaus, and an average of the
// weights.
//
//   watched    prints the learning rate of every epoch, the epoch of the lowest loss, and the averaged weight

#include <backpass/backpass.h>

#include <iostream>
#include <vector>

namespace bp = backpass;

int main() {
  const std::vector<double> x{0, 1, 2, 3}, y{1, 3, 5, 7};
  bp::Network network = bp::sequential({1}, {bp::Dense{1}}, {.seed = 0, .dtype = bp::DType::float64});
  bp::Optimizer sgd{bp::SGD{.learning_rate = 0.05}, {.schedule = bp::ExponentialDecay{0.9}}};
  bp::Trainer trainer{network, bp::MSE{}, sgd};

  bp::ReduceOnPlateau plateau{{.monitor = "loss", .factor = 0.5, .patience = 1, .threshold = 0.9}};
  bp::EarlyStopping stopping{{.monitor = "loss", .patience = 3}};
  bp::Average average{bp::EMA{.decay = 0.5}};
  bp::FitOptions options{.epochs = 12, .batch_size = 4, .shuffle = false, .averages = {average}};
  for (bp::Watcher* watcher : {static_cast<bp::Watcher*>(&plateau), static_cast<bp::Watcher*>(&stopping)})
    bp::watch(options.hooks, *watcher, trainer, network, sgd);

  std::cout.precision(17);
  const bp::History history = trainer.fit({x.data(), {4, 1}}, {y.data(), {4, 1}}, options);
  for (const double rate : history["learning_rate"]) std::cout << rate << ' ';
  average.apply(network);
  std::cout << '\n' << stopping.best_epoch() << '\n' << network.values<double>("0.weight")[0] << '\n';
}
