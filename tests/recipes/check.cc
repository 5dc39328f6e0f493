// Does what the recipes of docs/extending.md add work? `check NAME` prints what does not, and exits with 1.
#include <backpass/backpass.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <vector>

namespace bp = backpass;

namespace {

int failures = 0;

void expect(bool holds, const std::string& what) {
  if (holds) return;
  std::cout << what << '\n';
  ++failures;
}

void expect_near(double value, double expected, double tolerance, const std::string& what) {
  const bool near = std::abs(value - expected) <= tolerance * std::max(1.0, std::abs(expected));
  expect(near, what + ": " + std::to_string(value) + " where " + std::to_string(expected) + " was expected");
}

// Numbers between -2 and 2, the same at every run, none of them near zero.
std::vector<double> numbers(std::size_t count) {
  std::vector<double> values;
  for (std::size_t i = 0; i < count; ++i) {
    const double wave = std::sin(1.7 * static_cast<double>(i) + 0.3);
    values.push_back((wave < 0 ? -0.2 : 0.2) + 1.8 * wave);
  }
  return values;
}

using Function = std::function<double(const std::vector<double>&)>;

// A gradient that is claimed, against central differences, extrapolated once.
void expect_gradient(const Function& f, std::vector<double> at, const std::vector<double>& claimed,
                     const std::string& what) {
  expect(claimed.size() == at.size(), what + ": as many numbers as variables");
  for (std::size_t i = 0; i < std::min(at.size(), claimed.size()); ++i) {
    const auto difference = [&](double h) {
      const double here = at[i];
      at[i] = here + h;
      const double above = f(at);
      at[i] = here - h;
      const double below = f(at);
      at[i] = here;
      return (above - below) / (2 * h);
    };
    expect_near(claimed[i], (4 * difference(5e-4) - difference(1e-3)) / 3, 1e-8, what + " " + std::to_string(i));
  }
}

std::vector<double> to_vector(const bp::Array& array) {
  const auto values = array.values<double>();
  return {values.begin(), values.end()};
}

// Value, gradient and product of the Hessian by a vector, of sum(f(x) * w) over a matrix x: w has no symmetry.
void check_function(const std::function<bp::Tensor(const bp::Tensor&)>& f, const std::string& what) {
  const bp::Shape shape{3, 5};
  const std::vector<double> at = numbers(15), weight = numbers(40), along(weight.begin() + 20, weight.begin() + 35);
  const auto leaf = [&](const char* name) { return bp::input(shape, bp::DType::float64, name); };
  const bp::Tensor x = leaf("x"), w = leaf("w"), v = leaf("v");
  const bp::Tensor y = bp::sum(f(x) * w), slope = bp::gradients(y, {x})[0], y2 = bp::sum(slope * v);
  const auto run = [&](const bp::Tensor& output, const std::vector<double>& values) {
    const bp::Graph graph({x, w, v}, {output});
    return to_vector(bp::evaluate(graph, {{values.data(), shape}, {weight.data(), shape}, {along.data(), shape}})[0]);
  };
  expect_gradient([&](const auto& values) { return run(y, values)[0]; }, at, run(slope, at), what);
  expect_gradient([&](const auto& values) { return run(y2, values)[0]; }, at, run(bp::gradients(y2, {x})[0], at),
                  what + ", derived twice");
}

struct Data {
  std::vector<double> x = numbers(6 * 4), y = numbers(6 * 2);
  bp::ArrayView inputs() const { return {x.data(), {6, 4}}; }
  bp::ArrayView targets() const { return {y.data(), {6, 2}}; }
};

bp::Network make_network(const std::vector<bp::Layer>& layers) {
  return bp::sequential({4}, layers, {.seed = 1, .dtype = bp::DType::float64});
}

std::span<double> parameters(bp::Network& net) {
  return {static_cast<double*>(net.flat_parameters()), static_cast<std::size_t>(net.n_parameters())};
}

std::span<double> gradients(bp::Network& net) {
  return {static_cast<double*>(net.flat_gradients()), static_cast<std::size_t>(net.n_parameters())};
}

// The gradient of a whole network, its training, and its way through a file.
void check_network(const std::vector<bp::Layer>& layers, const bp::Loss& loss, const std::string& what) {
  const Data data;
  bp::Network net = make_network(layers);
  for (std::size_t i = 0; i < parameters(net).size(); ++i) parameters(net)[i] += 0.01 * numbers(i + 1).back();
  bp::Trainer trainer(net, loss, bp::SGD{.learning_rate = 0.05});
  const std::vector<double> at(parameters(net).begin(), parameters(net).end());
  trainer.gradients(data.inputs(), data.targets());
  const std::vector<double> claimed(gradients(net).begin(), gradients(net).end());
  const auto loss_at = [&](const std::vector<double>& values) {
    std::copy(values.begin(), values.end(), parameters(net).begin());
    return trainer.evaluate({data.inputs(), data.targets()})[0].second;
  };
  expect_gradient(loss_at, at, claimed, what + " in a network");

  const double before = loss_at(at);
  trainer.fit(data.inputs(), data.targets(), {.epochs = 2000});
  const double after = trainer.evaluate({data.inputs(), data.targets()})[0].second;
  expect(after < 0.5 * before,
         what + " lowers the loss to half: " + std::to_string(before) + ", " + std::to_string(after));

  const std::string file = net.serialize();
  const bp::Network loaded = bp::Network::deserialize(std::as_bytes(std::span(file)));
  const bp::Array ours = net.predict(data.inputs()), theirs = bp::Network(loaded).predict(data.inputs());
  expect(to_vector(ours) == to_vector(theirs), what + " predicts the same from a file");
  expect(loaded.layers().size() == layers.size(), what + " keeps its layers in a file");
}

void check_isru() {
  check_function([](const bp::Tensor& x) { return bp::isru(x); }, "isru");
  check_network({bp::Dense{.units = 5, .activation = "isru"}, bp::ISRU{}, bp::Dense{2}}, bp::MSE{}, "isru");
  for (const bp::DType dtype : {bp::DType::float32, bp::DType::float64}) {
    const bp::Tensor x = bp::input({7}, dtype);
    const std::vector<double> at{-1e15, -3, -0.5, 0, 0.5, 3, 1e15};
    const bp::Array y = bp::evaluate(bp::Graph({x}, {bp::isru(x)}), {{at.data(), {7}}})[0];
    for (std::size_t i = 0; i < at.size(); ++i) {
      const double value = dtype == bp::DType::float32 ? y.values<float>()[i] : y.values<double>()[i];
      expect_near(value, at[i] / std::sqrt(1 + at[i] * at[i]), 1e-7, "isru(" + std::to_string(at[i]) + ")");
    }
  }
  // Glorot's bound is sqrt(6 / (4 + 300)), He's sqrt(6 / 4).
  bp::Network net = bp::sequential({4}, {bp::Dense{300}, bp::ISRU{}}, {.seed = 1});
  const auto weights = net.values<float>("0.weight");
  expect(*std::max_element(weights.begin(), weights.end()) < 0.15f, "weights before isru start as Glorot's");
}

void check_reverse() {
  check_function([](const bp::Tensor& x) { return bp::reverse(bp::square(x), 1); }, "reverse along rows");
  check_function([](const bp::Tensor& x) { return bp::reverse(bp::square(x), 0); }, "reverse along columns");
  const bp::Tensor x = bp::input({2, 3}, bp::DType::float64);
  const std::vector<double> at{1, 2, 3, 4, 5, 6};
  const std::vector<bp::Array> found =
      bp::evaluate(bp::Graph({x}, {bp::reverse(x, 1), bp::reverse(x, -2)}), {{at.data(), {2, 3}}});
  expect(to_vector(found[0]) == std::vector<double>{3, 2, 1, 6, 5, 4}, "reverse along rows: the last element first");
  expect(to_vector(found[1]) == std::vector<double>{4, 5, 6, 1, 2, 3}, "reverse along columns: the last row first");
  try {
    bp::reverse(bp::input({bp::kBatch, 3}), 0);
    expect(false, "reverse along the batch is refused");
  } catch (const std::invalid_argument&) {
  }

  // Within a network, through a file.
  const bp::Tensor in = bp::input({bp::kBatch, 4}, bp::DType::float64);
  const bp::Layer first = bp::Dense{3}, second = bp::Dense{2};
  bp::Network net({in}, {second(bp::reverse(first(in), 1))}, {.seed = 1});
  const std::string file = net.serialize();
  bp::Network loaded = bp::Network::deserialize(std::as_bytes(std::span(file)));
  const Data data;
  expect(to_vector(net.predict(data.inputs())) == to_vector(loaded.predict(data.inputs())), "reverse is saved");
}

void check_scale() {
  check_network({bp::Scale{}, bp::Dense{5, "tanh"}, bp::Scale{.bias = false}, bp::Dense{2}}, bp::MSE{}, "Scale");
  bp::Network net = make_network({bp::Scale{}});
  const Data data;
  expect(net.n_parameters() == 8, "Scale has two parameters per feature");
  expect(to_vector(net.predict(data.inputs())) == data.x, "Scale starts as the identity");
  std::ranges::fill(net.values<double>("0.scale"), 3.0);
  std::ranges::fill(net.values<double>("0.bias"), -1.0);
  expect(to_vector(net.predict(data.inputs()))[5] == 3.0 * data.x[5] - 1.0, "Scale computes s x + b");
  const bp::Layer made = bp::make_layer("Scale", {{"bias", false}});
  expect(!std::get<bool>(made.attributes()[0].second), "Scale is made from its attributes");
}

void check_cauchy() {
  const Data data;
  const bp::Loss loss = bp::Cauchy{};
  std::vector<double> prediction = numbers(24), weight = {1, 2, 0, 3, 1, 0.5};
  prediction.erase(prediction.begin(), prediction.begin() + 12);
  const auto value_at = [&](const std::vector<double>& p) {
    return loss.value_and_grad({p.data(), {6, 2}}, data.targets(), weight).first;
  };
  double value = 0, sum = 0;
  for (std::size_t i = 0; i < 12; ++i) value += weight[i / 2] / 2 * std::log1p(std::pow(prediction[i] - data.y[i], 2));
  for (const double w : weight) sum += w;
  expect_near(value_at(prediction), value / sum, 1e-14, "the loss");
  expect_gradient(value_at, prediction,
                  to_vector(loss.value_and_grad({prediction.data(), {6, 2}}, data.targets(), weight).second),
                  "the gradient of the loss");
  const std::vector<double> far{1e4, -1e4}, zero{0, 0};
  const auto [large, slope] = loss.value_and_grad({far.data(), {1, 2}}, {zero.data(), {1, 2}});
  expect_near(large, std::log1p(1e8), 1e-15, "the loss of a large error");
  expect_near(to_vector(slope)[0], 1e4 / (1 + 1e8), 1e-15, "its gradient");
  check_network({bp::Dense{5, "tanh"}, bp::Dense{2}}, loss, "Cauchy");
}

void check_sign_sgd() {
  const Data data;
  for (const double decay : {0.0, 0.5}) {
    bp::Network net = make_network({bp::Dense{5, "relu"}, bp::Dense{2}});
    bp::Trainer trainer(net, bp::MSE{}, bp::SignSGD{.learning_rate = 0.125, .weight_decay = decay});
    trainer.gradients(data.inputs(), data.targets());
    const std::vector<double> w(parameters(net).begin(), parameters(net).end());
    const std::vector<double> g(gradients(net).begin(), gradients(net).end());
    trainer.step(data.inputs(), data.targets());
    for (std::size_t i = 0; i < w.size(); ++i) {
      const double slope = decay != 0 ? g[i] + decay * w[i] : g[i];
      const double sign = slope > 0 ? 1 : slope < 0 ? -1 : 0;
      expect(parameters(net)[i] == w[i] - 0.125 * sign, "a step of parameter " + std::to_string(i));
    }
    expect(trainer.plan(6).calls.back().name == "signsgd", "the plan names the update");
    bp::Optimizer by_hand = bp::SignSGD{.learning_rate = 0.25};
    bp::Network other = make_network({bp::Dense{1}});
    std::ranges::fill(parameters(other), 1.0);
    std::ranges::fill(gradients(other), 7.0);
    by_hand.step(other);
    expect(parameters(other)[0] == 0.75, "a step by hand");
  }
  try {
    bp::Optimizer optimizer = bp::SignSGD{.learning_rate = -1};
    expect(false, "a negative learning rate is refused");
  } catch (const std::invalid_argument&) {
  }
}

void check_triangular() {
  const bp::Schedule schedule(bp::Triangular{.steps = 4, .minimum = 0.5}, {.warmup = 2});
  const std::vector<double> expected{0.5, 1, 0.5, 0.625, 0.75, 0.875, 1, 0.875, 0.75, 0.625, 0.5, 0.625};
  for (std::size_t t = 0; t < expected.size(); ++t)
    expect_near(schedule.factor(static_cast<double>(t)), expected[t], 1e-15, "the factor of step " + std::to_string(t));
  const bp::Schedule again = bp::make_schedule("Triangular", schedule.attributes());
  expect(again.attributes() == schedule.attributes(), "Triangular is made from its attributes");
  try {
    bp::make_schedule("Triangular", {{"minimum", 2.0}});
    expect(false, "a minimum above 1 is refused");
  } catch (const std::invalid_argument&) {
  }
}

void check_mape() {
  const std::vector<double> y{1, -2, 4, 8}, p{2, -2, 3, 4};
  const bp::Metric mape = bp::metric("mape");
  expect_near(mape({y.data(), {2, 2}}, {p.data(), {2, 2}}), (1 + 0 + 0.25 + 0.5) / 4, 1e-15, "mape");
  expect(!bp::metric_rises("val_mape"), "less of it is better");
}

// Weights and loss of a short training.
std::vector<double> trained(const std::string& isa, bp::Dim width) {
  bp::set_isa(isa);
  bp::Network net = make_network({bp::Dense{width, "gelu"}, bp::Dense{width, "tanh"}, bp::Dense{2}});
  bp::Trainer trainer(net, bp::MSE{}, bp::SGD{.learning_rate = 0.05});
  const Data data;
  std::vector<double> result;
  for (int step = 0; step < 5; ++step) result.push_back(trainer.step(data.inputs(), data.targets()));
  result.insert(result.end(), parameters(net).begin(), parameters(net).end());
  return result;
}

void check_zen() {
  const std::vector<std::string> isas = bp::available_isas();
  const std::string before = bp::isa();
  const auto at = [&](const char* name) { return std::find(isas.begin(), isas.end(), name); };
  if (at("avx2") == isas.end()) {
    std::cout << "this machine has no AVX2\n";
    return;
  }
  expect(at("zen") + 1 == at("avx2"), "zen is listed before avx2");
  expect(before != "zen", "zen is not the default");
  for (const bp::Dim width : {1, 7, 64, 129}) {
    const std::vector<double> ours = trained("zen", width), sibling = trained("avx2", width);
    expect(bp::isa() == "avx2" && ours.size() == sibling.size(), "both train");
    for (std::size_t i = 0; i < ours.size(); ++i)
      expect_near(ours[i], sibling[i], 1e-12, "width " + std::to_string(width) + ", number " + std::to_string(i));
  }
  bp::set_isa(before);
}

}  // namespace

int main(int argc, char** argv) try {
  const std::map<std::string, void (*)()> checks = {{"isru", check_isru},     {"reverse", check_reverse},
                                                    {"Scale", check_scale},           {"Cauchy", check_cauchy},
                                                    {"SignSGD", check_sign_sgd},      {"zen", check_zen},
                                                    {"Triangular", check_triangular}, {"mape", check_mape}};
  checks.at(argc > 1 ? argv[1] : "")();
  return failures == 0 ? 0 : 1;
} catch (const std::exception& error) {
  std::cout << error.what() << '\n';
  return 1;
}
