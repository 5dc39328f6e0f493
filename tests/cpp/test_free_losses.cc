// Losses of one's own over targets in any form: several arrays by name, all outputs at once, the network's inputs.
#include <cmath>
#include <cstdint>

#include "backpass/trainer.h"
#include "io_check.h"

namespace backpass {
namespace {

constexpr Dim kRows = 4;
const std::vector<double> kX{-1, -0.5, 0.2, 0.5, 1, 1.5, -0.3, 0.7};
const std::vector<std::int64_t> kActions{0, 2, 1, 2};
const std::vector<double> kAdvantages{1.5, -1, 0.5, 2};

ArrayView x() { return {kX.data(), {kRows, 2}}; }
ArrayView actions() { return {kActions.data(), {kRows}}; }
ArrayView advantages() { return {kAdvantages.data(), {kRows}}; }

Network network() {
  return sequential({2}, {Dense{.units = 3, .activation = "tanh"}, Dense{3}}, {.seed = 3, .dtype = DType::float64});
}

// -log softmax at the action, times the advantage: by row.
struct PolicyGradient {
  std::string type() const { return "PolicyGradient"; }
  Attributes attributes() const { return {}; }
  Tensor build(const LossArguments& given) const {
    const Tensor& logits = given.predictions[0];
    const Tensor taken = take_label(logits, given.target("actions"));
    return (log_sum_exp(logits) - taken) * given.target("advantages");
  }
};

// The mean square of both outputs.
struct Both {
  std::string type() const { return "Both"; }
  Attributes attributes() const { return {}; }
  bool joint() const { return true; }
  Tensor build(const LossArguments& given) const {
    const Tensor left = mean(square(given.predictions.at(0)));
    return left + mean(square(given.predictions.at(1)));
  }
};

// The square of the slope of the only output by the inputs, less the target.
struct Slope {
  std::string type() const { return "Slope"; }
  Attributes attributes() const { return {}; }
  Tensor build(const LossArguments& given) const {
    return square(gradients(sum(given.predictions[0]), {given.inputs[0]})[0]);
  }
};

double expected_policy_loss(Network& net, const std::vector<double>& weights = {}) {
  const Array logits = net.predict(x());
  const std::span<const double> z = logits.values<double>();
  double total = 0, all = 0;
  for (std::size_t row = 0; row < kRows; ++row) {
    double sum = 0;
    for (std::size_t c = 0; c < 3; ++c) sum += std::exp(z[3 * row + c]);
    const double weight = weights.empty() ? 1 : weights[row];
    const double log_probability = z[3 * row + static_cast<std::size_t>(kActions[row])] - std::log(sum);
    total -= weight * log_probability * kAdvantages[row];
    all += std::fabs(weight);
  }
  return total / all;
}

TrainingData named() { return {x(), std::vector<ArrayView>{actions(), advantages()}, {}, {"actions", "advantages"}}; }

void test_targets_by_name() {
  Network net = network();
  Objective objective(net, PolicyGradient{});
  const double expected = expected_policy_loss(net);
  CHECK(std::fabs(objective.gradients(named(), 0) - expected) < 1e-14);
  CHECK(std::fabs(objective.evaluate(named())[0].second - expected) < 1e-14);
  Trainer trainer(net, PolicyGradient{}, SGD{.learning_rate = 0.1});
  CHECK(std::fabs(trainer.step(named()) - expected) < 1e-14);
  const History history = trainer.fit(named(), {.epochs = 5, .batch_size = 3});
  CHECK(history["loss"].back() < history["loss"].front());
}

void test_weights_of_either_sign() {
  Network net = network();
  Objective objective(net, PolicyGradient{});
  const std::vector<double> weights{1, -2, 0.5, 0};
  TrainingData data = named();
  data.sample_weight = {weights.data(), {kRows}};
  CHECK(std::fabs(objective.gradients(data, 0) - expected_policy_loss(net, weights)) < 1e-14);
  Objective ours(net, CrossEntropy{});
  CHECK(refuses(
      [&] {
        ours.gradients(x(), actions(), {weights.data(), {kRows}}, 0);
      },
      "must be finite and not negative"));
}

void test_all_outputs_and_the_inputs() {
  const Tensor in = input({kBatch, 2}, DType::float64, "x");
  Network net({in}, {Layer(Dense{2})(in), Layer(Dense{1})(in)}, {.seed = 1});
  Objective objective(net, Both{});
  const std::vector<Array> out = net.predict_all(x());
  double expected = 0;
  for (const Array& y : out) {
    double sum = 0;
    for (const double v : y.values<double>()) sum += v * v;
    expected += sum / static_cast<double>(y.values<double>().size());
  }
  CHECK(std::fabs(objective.gradients({x(), {}}, 0) - expected) < 1e-14);
  CHECK(objective.evaluate({x(), {}}).size() == 1);
  CHECK(refuses([&] { Objective(net, Losses({Loss(Both{}), Loss(Both{})})); }, "sees all outputs"));
  Network line = sequential({2}, {Dense{1}}, {.seed = 3, .dtype = DType::float64});
  const std::span<const double> w = line.values<double>("0.weight");
  Objective slopes(line, Slope{});
  CHECK(std::fabs(slopes.gradients({x(), {}}, 0) - (w[0] * w[0] + w[1] * w[1]) / 2) < 1e-14);
}

void test_what_does_not_fit_is_refused_by_name() {
  Network net = network();
  Objective objective(net, PolicyGradient{});
  const auto with = [&](ArrayView second, const char* name) {
    return [&, second, name] {
      objective.gradients({x(), std::vector<ArrayView>{actions(), second}, {}, {"actions", name}}, 0);
    };
  };
  CHECK(refuses(with({kAdvantages.data(), {3}}, "advantages"), "[y['advantages']] has 3 rows, x 4"));
  CHECK(refuses(with({kAdvantages.data(), {}}, "advantages"), "must hold rows"));
  CHECK(refuses(with(advantages(), "others"), "the loss asks for \"advantages\""));
  CHECK(refuses(
      [&] {
        objective.gradients({x(), std::vector<ArrayView>{actions()}, {}, {"a", "b"}}, 0);
      },
      "a name for each"));
  Objective ours(net, MSE{});
  CHECK(refuses([&] { ours.gradients(named(), 0); }, "takes one array for each"));
}

void test_a_loss_alone() {
  const auto [value, grads] =
      Loss(PolicyGradient{})
          .value_and_grads(network().predict(x()), std::vector<ArrayView>{actions(), advantages()},
                           {"actions", "advantages"});
  Network net = network();
  CHECK(std::fabs(value - expected_policy_loss(net)) < 1e-14);
  CHECK(grads.size() == 1 && grads[0].shape() == Shape({kRows, 3}));
}

// Each with a loss, a batch size and a weight of its own.
void test_several_data_sets() {
  Network net = network(), other = network();
  const std::vector<double> zeros(3 * kRows);
  const TrainingData squares{x(), ArrayView{zeros.data(), {kRows, 3}}};
  const std::vector<DataSet> sets{{named(), Losses(PolicyGradient{}), kRows, 0.5, "policy"},
                                  {squares, {}, kRows, 2.0, ""}};
  Trainer trainer(net, MSE{}, SGD{.learning_rate = 0.1});
  const History history = trainer.fit(sets, {.epochs = 1, .shuffle = false});
  CHECK(history.columns.size() == 4 && history.columns[1].first == "loss_policy" &&
        history.columns[2].first == "loss_1");

  const std::size_t n = static_cast<std::size_t>(other.n_parameters());
  const auto gradient = [&](Objective objective, const TrainingData& data) {
    objective.gradients(data, 0);
    const double* grads = static_cast<const double*>(other.flat_gradients());
    return std::vector<double>(grads, grads + n);
  };
  const std::vector<double> first = gradient(Objective(other, PolicyGradient{}), named()),
                            second = gradient(Objective(other, MSE{}), squares);
  const double *w = static_cast<const double*>(other.flat_parameters()),
               *stepped = static_cast<const double*>(net.flat_parameters());
  for (std::size_t i = 0; i < n; ++i)
    CHECK(std::fabs(stepped[i] - (w[i] - 0.1 * (0.5 * first[i] + 2.0 * second[i]))) < 1e-14);

  CHECK(refuses([&] { trainer.fit(std::vector<DataSet>{}); }, "at least one data set"));
  CHECK(refuses([&] { trainer.fit({sets[0], sets[0]}); }, "names of their own"));
  CHECK(refuses([&] { trainer.fit({{squares, {}, 0, std::nan(""), ""}, sets[1]}); }, "must be finite"));
  FitOptions changed;
  changed.hooks.transform = [](BatchArrays&, std::uint64_t, std::uint64_t) {};
  CHECK(refuses([&] { trainer.fit(sets, changed); }, "each has its own"));
  Trainer whole(other, MSE{}, LBFGS{});
  const History down = whole.fit(sets, {.epochs = 20});
  CHECK(down["loss"].back() < down["loss"].front());
}

// In-batch negatives: each row beside all of the batch.
struct Contrast {
  std::string type() const { return "Contrast"; }
  Attributes attributes() const { return {}; }
  Tensor build(const LossArguments& given) const {
    const Tensor& z = given.predictions[0];
    const Tensor logits = matmul(z, z, false, true);
    return log_sum_exp(logits) - diagonal(logits);
  }
};

void test_rows_are_compared_in_batches_of_any_size() {
  Network net = network();
  const TrainingData rows{x(), std::vector<ArrayView>{}};
  const Array made = net.predict(x());
  const std::span<const double> z = made.values<double>();
  double expected = 0;
  for (std::size_t i = 0; i < kRows; ++i) {
    double sum = 0, own = 0;
    for (std::size_t j = 0; j < kRows; ++j) {
      double product = 0;
      for (std::size_t c = 0; c < 3; ++c) product += z[3 * i + c] * z[3 * j + c];
      sum += std::exp(product);
      if (i == j) own = product;
    }
    expected += (std::log(sum) - own) / kRows;
  }
  Objective objective(net, Contrast{});
  CHECK(std::fabs(objective.gradients(rows, 0) - expected) < 1e-14);
  Trainer trainer(net, Contrast{}, SGD{.learning_rate = 0.05});
  const History history = trainer.fit(rows, {.epochs = 100, .batch_size = 3, .shuffle = false});
  CHECK(history["loss"].back() < history["loss"].front());
  const Tensor batch = input({kBatch, 2});
  CHECK(refuses([&] { Network({batch}, {matmul(batch, batch, false, true)}); }, "belongs into a loss"));
}

}  // namespace
}  // namespace backpass

int main() {
  using namespace backpass;
  test_targets_by_name();
  test_weights_of_either_sign();
  test_all_outputs_and_the_inputs();
  test_what_does_not_fit_is_refused_by_name();
  test_a_loss_alone();
  test_several_data_sets();
  test_rows_are_compared_in_batches_of_any_size();
  std::printf("%s\n", failures == 0 ? "ok" : "FAILED");
  return failures == 0 ? 0 : 1;
}
