// L-BFGS: on functions of its own, and through a trainer.
#include <cmath>
#include <limits>

#include "backpass/trainer.h"
#include "io_check.h"
#include "optim/lbfgs.h"
#include "optim/line_search.h"

namespace backpass {
namespace {

constexpr LBFGS kTight{.tolerance = 1e-9, .tolerance_change = 0};

// Rosenbrock's valley in n dimensions, least at (1, ..., 1).
double rosenbrock(std::span<const double> x, std::span<double> gradient) {
  double value = 0;
  for (double& each : gradient) each = 0;
  for (std::size_t i = 0; i + 1 < x.size(); ++i) {
    const double a = x[i + 1] - x[i] * x[i], b = 1 - x[i];
    value += 100 * a * a + b * b;
    gradient[i] += -400 * a * x[i] - 2 * b;
    gradient[i + 1] += 200 * a;
  }
  return value;
}

// How many evaluations it takes to a gradient of 1e-9.
int calls_on_rosenbrock(std::size_t n) {
  std::vector<double> start(n, 1);
  for (std::size_t i = 0; i < n; i += 2) start[i] = -1.2;
  int calls = 0;
  LbfgsMinimizer lbfgs(kTight, start, [&](auto x, auto gradient) { return ++calls, rosenbrock(x, gradient); });
  while (!lbfgs.converged()) CHECK(lbfgs.iterate());
  for (const double each : lbfgs.x()) CHECK(std::fabs(each - 1) < 1e-6);
  return calls;
}

// SciPy 1.17's L-BFGS-B takes 46, 97 and 354 there, with ten pairs and the same tolerance.
void test_evaluations_are_as_many_as_scipys() {
  CHECK(calls_on_rosenbrock(2) <= 55);
  CHECK(calls_on_rosenbrock(10) <= 116);
  CHECK(calls_on_rosenbrock(50) <= 424);
}

void test_a_search_goes_nearer_where_numbers_end() {
  const auto wall = [](std::span<const double> x, std::span<double> gradient) {  // least at 20, nothing below 0
    gradient[0] = x[0] - 400 / x[0];
    return x[0] > 0 ? x[0] * x[0] / 2 - 400 * std::log(x[0]) : std::numeric_limits<double>::quiet_NaN();
  };
  LbfgsMinimizer lbfgs(kTight, {500}, wall);
  while (!lbfgs.converged() && lbfgs.iterate()) {
  }
  CHECK(std::fabs(lbfgs.x()[0] - 20) < 1e-6);
}

void test_a_search_meets_the_strong_wolfe_conditions() {
  for (const double first : {1e-3, 0.1, 1.0, 10.0, 1e3}) {
    const auto at = [](double t) { return LinePoint{t, -t / (t * t + 2), (t * t - 2) / ((t * t + 2) * (t * t + 2))}; };
    const LinePoint start = at(0);
    LineSearch line(start, first);
    LinePoint trial = at(line.step());
    int trials = 1;
    while (!line.accepts(trial) && line.advance(trial)) trial = at(line.step()), ++trials;
    CHECK(line.accepts(trial) && trials < 20);
    CHECK(trial.value <= start.value + LineSearch::kDecrease * trial.step * start.slope);
    CHECK(std::fabs(trial.slope) <= LineSearch::kCurvature * -start.slope);
  }
}

// A net of 7 parameters whose least loss is not 0.
constexpr Dim kRows = 30;

struct Task {
  std::vector<double> x, y;
  Task() {
    for (Dim i = 0; i < kRows; ++i) {
      const double t = static_cast<double>(i) / (kRows - 1) * 2 - 1;
      x.push_back(t);
      y.push_back(std::tanh(3 * t - 1) + 0.5 * std::tanh(2 * t + 1) + 0.1 * std::cos(17 * t));
    }
  }
  ArrayView rows() const { return {x.data(), {kRows, 1}}; }
  ArrayView targets() const { return {y.data(), {kRows, 1}}; }
};

Network network() {
  return sequential({1}, {Dense{.units = 2, .activation = "tanh"}, Dense{.units = 1, .weight_init = "glorot_uniform"}},
                    {.seed = 0, .dtype = DType::float64});
}

// Where SciPy's L-BFGS-B ends from the same weights.
constexpr double kScipysLoss = 0.004639930621304108;
constexpr double kScipysWeights[] = {1.332732826850331,  -3.3460265080777956, 0.6706230374211611,  1.1258361292101196,
                                     0.7587175912120913, -0.8562601227725003, -0.13363801205611456};

void test_a_network_is_brought_to_the_minimum_that_scipy_finds() {
  const Task task;
  Network net = network();
  Trainer trainer(net, MSE{}, LBFGS{.tolerance = 1e-9, .tolerance_change = 0});
  const History history = trainer.fit(task.rows(), task.targets(), {.epochs = 5000});
  const double loss = history["loss"].back();
  CHECK(std::fabs(loss - kScipysLoss) < 1e-6 * kScipysLoss);
  const double* weights = static_cast<const double*>(net.flat_parameters());
  for (Dim i = 0; i < net.n_parameters(); ++i) CHECK(std::fabs(weights[i] - kScipysWeights[i]) < 1e-6);
  CHECK(history["learning_rate"] == std::vector<double>(history["loss"].size(), 1.0));
  CHECK(history["loss"].size() < 116);  // SciPy makes 86 iterations, of 97 evaluations
  Objective objective(net, MSE{});
  CHECK(std::fabs(objective.evaluate({task.rows(), task.targets()})[0].second - loss) < 1e-14);
}

std::vector<float> trained(int threads) {
  const std::vector<float> x(3000 * 8, 0.5f), y(3000, 1.0f);
  Network net = sequential({8}, {Dense{.units = 64, .activation = "tanh"}, Dense{1}}, {.seed = 1});
  Trainer(net, MSE{}, LBFGS{}, {.threads = threads})
      .fit(ArrayView(x.data(), {3000, 8}), ArrayView(y.data(), {3000, 1}), {.epochs = 3});
  const float* values = static_cast<const float*>(net.flat_parameters());
  return {values, values + net.n_parameters()};
}

void test_bits_do_not_depend_on_threads() { CHECK(trained(1) == trained(2)); }

void test_giving_up_is_told() {
  const std::vector<double> x{1}, y{0.25};
  Network net =
      sequential({1}, {Dense{.units = 1, .bias = false, .weight_init = "zeros"}}, {.seed = 1, .dtype = DType::float64});
  std::string said;
  FitOptions options{.epochs = 5};
  options.hooks.warning = [&](const std::string& message) { said = message; };
  const History history = Trainer(net, MSE{}, LBFGS{.max_line_search = 1})
                              .fit(ArrayView(x.data(), {1, 1}), ArrayView(y.data(), {1, 1}), options);
  CHECK(said == "[LBFGS] gave up in epoch 0: no step was found, though the loss falls against its gradient");
  CHECK(history["loss"] == std::vector<double>{0.0625});
}

void test_what_is_not_taken_is_refused() {
  const Task task;
  Network net = network();
  const auto fit = [&](const FitOptions& options) {
    return [&net, &task, options] { Trainer(net, MSE{}, LBFGS{}).fit(task.rows(), task.targets(), options); };
  };
  FitOptions by_batch, averaged{.averages = {EMA{}}};
  by_batch.hooks.batch_end = [](Dim, double) {};
  CHECK(refuses(fit({.accumulate = 2}), "[LBFGS] takes arrays"));
  CHECK(refuses(fit(by_batch), "[LBFGS] takes no hooks by batch"));
  CHECK(refuses(fit(averaged), "[LBFGS] takes no averages"));
  CHECK(refuses([&] { Trainer(net, MSE{}, LBFGS{}).fit(Stream{}); }, "[LBFGS] takes arrays"));
  CHECK(refuses([&] { Trainer(net, MSE{}, LBFGS{}).step(task.rows(), task.targets()); }, "makes no single steps"));
  CHECK(refuses([&] { Trainer(net, MSE{}, LBFGS{}).plan(3); }, "makes no single steps"));
  CHECK(refuses([&] { Optimizer(LBFGS{}).step(net); }, "makes no single steps"));
  CHECK(refuses([&] { Trainer(net, MSE{}, LBFGS{}, {.recompute = true}); }, "[LBFGS] takes no recompute"));
  const auto by_hand = [](Network&, Optimizer&) { return true; };
  CHECK(refuses([&] { Trainer(net, MSE{}, LBFGS{}, {.update = by_hand}); }, "[LBFGS] takes no update by hand"));
  CHECK(refuses([&] { Trainer(Objective(net, MSE{}), LBFGS{}, by_hand); }, "[LBFGS] takes no update by hand"));
  CHECK(refuses([&] { Optimizer(LBFGS{}, {.clip_norm = 1.0}); }, "[LBFGS] takes no clipping"));
  CHECK(refuses([&] { Optimizer(LBFGS{.history_size = 0}); }, "history_size"));
  CHECK(!Optimizer(LBFGS{}).makes_steps() && Optimizer(SGD{}).makes_steps());
}

// The vector that is minimised over would be another one. The weights are those of the last iteration.
void test_what_is_frozen_must_not_change_within_a_fit() {
  const Task task;
  Network net = network();
  Trainer trainer(net, MSE{}, LBFGS{});
  FitOptions options{.epochs = 10};
  double loss = 0;
  options.hooks.epoch_end = [&](int epoch, const Logs& logs) {
    loss = logs[0].second;
    if (epoch == 1) net.freeze({net.parameters()[0].name});
  };
  CHECK(refuses([&] { trainer.fit(task.rows(), task.targets(), options); }, "[LBFGS] what is frozen must not change"));
  CHECK(std::fabs(trainer.evaluate({task.rows(), task.targets()})[0].second - loss) <= 1e-12 * loss);
  CHECK(trainer.fit(task.rows(), task.targets(), {.epochs = 2})["loss"].back() < loss);
}

}  // namespace
}  // namespace backpass

int main() {
  using namespace backpass;
  test_evaluations_are_as_many_as_scipys();
  test_a_search_goes_nearer_where_numbers_end();
  test_a_search_meets_the_strong_wolfe_conditions();
  test_a_network_is_brought_to_the_minimum_that_scipy_finds();
  test_bits_do_not_depend_on_threads();
  test_giving_up_is_told();
  test_what_is_not_taken_is_refused();
  test_what_is_frozen_must_not_change_within_a_fit();
  std::printf("%s\n", failures == 0 ? "ok" : "FAILED");
  return failures == 0 ? 0 : 1;
}
