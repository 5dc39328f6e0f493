// A network of two inputs and two outputs with a layer of the program's own, trained; then one layer at a time by hand.
//
//   two_heads MODEL    trains, saves to MODEL, and prints what it found; exits with 1 where something does not hold

#include <backpass/backpass.h>

#include <cmath>
#include <iostream>
#include <string>
#include <vector>

namespace bp = backpass;

namespace {

constexpr bp::Dim kRows = 64, kWidth = 3;

// y = x * scale + shift: operations, and two parameters.
struct Affine {
  std::string type() const { return "Affine"; }
  bp::Attributes attributes() const { return {}; }
  bp::Tensor build(bp::LayerContext& context, const bp::Tensor& x) const {
    const bp::Shape shape{x.shape().back()};
    return x * context.parameter("scale", shape, "ones") + context.parameter("shift", shape, "zeros");
  }
};

bp::Network two_heads() {
  const bp::Tensor left = bp::input({bp::kBatch, kWidth}, bp::DType::float64, "left"),
                   right = bp::input({bp::kBatch, kWidth}, bp::DType::float64, "right");
  const bp::Layer twin = bp::Dense{.units = 8, .activation = "tanh"};  // one layer, called twice
  const bp::Layer block = bp::Residual{{bp::Dense{.units = 16, .activation = "relu"}, bp::Dense{.units = 16}}};
  const bp::Layer affine = Affine{}, value = bp::Dense{.units = 1}, kind = bp::Dense{.units = 2};
  const bp::Tensor h = affine(block(bp::concat({twin(left), twin(right)}, 1)));
  return bp::Network({left, right}, {value(h), kind(h)}, {.seed = 1});
}

struct Data {
  std::vector<double> left, right, sum;
  std::vector<std::int32_t> larger;
};

Data make_data() {
  Data data;
  for (bp::Dim i = 0; i < kRows; ++i) {
    double difference = 0, total = 0;
    for (bp::Dim j = 0; j < kWidth; ++j) {
      const double a = std::sin(1.7 * static_cast<double>(i) + static_cast<double>(j)),
                   b = std::cos(2.3 * static_cast<double>(i) - static_cast<double>(j));
      data.left.push_back(a);
      data.right.push_back(b);
      difference += a - b;
      total += a * b;
    }
    data.sum.push_back(total);
    data.larger.push_back(difference > 0 ? 1 : 0);
  }
  return data;
}

void check(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error(what + " does not hold");
}

// backward of a chain, one layer at a time, equals backward of the whole.
void layer_by_layer(const bp::ArrayView& x) {
  const auto dense = [](bp::Dim in, bp::Dim out, const char* activation) {
    return bp::sequential({in}, {bp::Dense{.units = out, .activation = activation}},
                          {.seed = 5, .dtype = bp::DType::float64});
  };
  bp::Network first = dense(kWidth, 6, "sigmoid"), second = dense(6, 2, "tanh");
  bp::Network whole = bp::sequential({kWidth}, {bp::Dense{6, "sigmoid"}, bp::Dense{2, "tanh"}},
                                     {.seed = 5, .dtype = bp::DType::float64});
  const auto copy = [&](bp::Network& from, const std::string& name, const std::string& to) {
    const std::span<double> values = from.values<double>(name);
    std::copy(values.begin(), values.end(), whole.values<double>(to).begin());
  };
  copy(first, "0.weight", "0.weight");
  copy(second, "0.weight", "1.weight");

  const bp::Array y = second.forward(first.forward(x)), y_whole = whole.forward(x);
  bp::Array ones(bp::DType::float64, y.shape());
  for (double& value : ones.values<double>()) value = 1;
  const bp::Array grad = first.backward(second.backward(ones)), grad_whole = whole.backward(ones);
  for (std::size_t i = 0; i < y.values<double>().size(); ++i)
    check(y.values<double>()[i] == y_whole.values<double>()[i], "forward, layer by layer");
  for (std::size_t i = 0; i < grad.values<double>().size(); ++i)
    check(std::abs(grad.values<double>()[i] - grad_whole.values<double>()[i]) < 1e-12, "backward, layer by layer");
}

void run(const std::string& path) {
  const Data data = make_data();
  const bp::ArrayView left{data.left.data(), {kRows, kWidth}}, right{data.right.data(), {kRows, kWidth}};
  bp::Network net = two_heads();
  bp::Trainer trainer{net, std::vector<bp::Loss>{bp::MSE{}, bp::CrossEntropy{}}, bp::Adam{.learning_rate = 1e-2}};
  const bp::TrainingData training{std::vector{left, right}, std::vector<bp::ArrayView>{data.sum, data.larger}};
  const bp::History history = trainer.fit(training, {.epochs = 200, .batch_size = 16, .seed = 1});
  check(history["loss"].back() < 0.1 * history["loss"].front(), "that training lowers the loss");
  for (const bp::LayerInfo& layer : net.layers())
    std::cout << layer.type << ' ' << layer.name << ' ' << layer.n_parameters << '\n';
  net.save(path);
  const std::vector<bp::Array> before = net.predict_all(std::vector{left, right}),
                               after = bp::Network::load(path).predict_all(std::vector{left, right});
  for (std::size_t i = 0; i < before.size(); ++i)
    for (std::size_t j = 0; j < before[i].values<double>().size(); ++j)
      check(before[i].values<double>()[j] == after[i].values<double>()[j], "that a loaded network predicts the same");
  layer_by_layer(left);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  try {
    run(argv[1]);
  } catch (const std::exception& error) {
    std::cerr << "two_heads: " << error.what() << '\n';
    return 1;
  }
}
