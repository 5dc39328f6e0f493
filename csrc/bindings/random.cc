// Random numbers as functions of tensors, and what they are moved and stretched by.
#include "backpass/random.h"

#include <variant>

#include "axes.h"
#include "bindings.h"

namespace backpass::python {
namespace {

using Parameter = std::variant<Tensor, double>;

// A name, or the type of the first parameter that is a tensor.
DType dtype_among(const std::optional<std::string>& dtype, std::initializer_list<Parameter> parameters) {
  if (dtype) return parse_dtype(*dtype);
  for (const Parameter& each : parameters)
    if (const Tensor* tensor = std::get_if<Tensor>(&each)) return tensor->dtype();
  return DType::float32;
}

template <class Combine>
Tensor combined(const Tensor& x, const Parameter& p, double neutral, Combine combine) {
  const double* number = std::get_if<double>(&p);
  if (!number) return combine(x, std::get<Tensor>(p));
  return *number == neutral ? x : combine(x, constant(*number, {}, x.dtype()));
}

Parameter width_of(const Parameter& a, const Parameter& b) {
  const auto *x = std::get_if<double>(&a), *y = std::get_if<double>(&b);
  if (x && y) return *x - *y;
  if (x) return *x - std::get<Tensor>(b);
  return y ? std::get<Tensor>(a) - *y : std::get<Tensor>(a) - std::get<Tensor>(b);
}

// offset + factor * noise, in the shape of the noise.
Tensor moved(const char* who, const Tensor& noise, const Parameter& offset, const Parameter& factor) {
  const Tensor stretched = combined(noise, factor, 1, [](const Tensor& x, const Tensor& p) { return x * p; });
  const Tensor y = combined(stretched, offset, 0, [](const Tensor& x, const Tensor& p) { return x + p; });
  if (y.shape() != noise.shape())
    throw std::invalid_argument("[" + std::string(who) + "] parameters broadcast to " + to_string(y.shape()) +
                                ", which is not the shape " + to_string(noise.shape()) + " that is asked for");
  return y;
}

Tensor uniform_of(const py::object& shape, const Parameter& low, const Parameter& high,
                  const std::optional<std::string>& dtype) {
  const Tensor drawn = random_uniform(shape_of(shape, "random_uniform"), dtype_among(dtype, {low, high}));
  return moved("random_uniform", drawn, low, width_of(high, low));
}

Tensor normal_of(const py::object& shape, const Parameter& mean, const Parameter& deviation,
                 const std::optional<std::string>& dtype) {
  const Tensor drawn = random_normal(shape_of(shape, "random_normal"), dtype_among(dtype, {mean, deviation}));
  return moved("random_normal", drawn, mean, deviation);
}

Tensor bernoulli_of(const Parameter& p, const std::optional<py::object>& shape,
                    const std::optional<std::string>& dtype) {
  const double* number = std::get_if<double>(&p);
  if (number)
    return random_bernoulli(
        constant(*number, shape ? shape_of(*shape, "random_bernoulli") : Shape{}, dtype_among(dtype, {p})));
  const Tensor& chance = std::get<Tensor>(p);
  return random_bernoulli(shape ? broadcast_to(chance, shape_of(*shape, "random_bernoulli")) : chance);
}

}  // namespace

void bind_random(py::module_& m) {
  m.def("random_uniform", &uniform_of, py::arg("shape"), py::arg("low") = 0.0, py::arg("high") = 1.0,
        py::arg("dtype") = py::none(),
        documented("random_uniform",
                   "Random numbers between `low` and `high`, drawn whenever it runs, not only in training. Bounds are\n"
                   "numbers, or tensors that broadcast to the shape, and are differentiated through. The dtype is that "
                   "of\nthe tensors, else float32.")
            .c_str());
  m.def("random_normal", &normal_of, py::arg("shape"), py::arg("mean") = 0.0, py::arg("deviation") = 1.0,
        py::arg("dtype") = py::none(),
        documented("random_normal",
                   "mean + deviation * noise, of normal noise that is drawn whenever it runs, not only in training.\n"
                   "Parameters as in `random_uniform`: gradients flow to them.")
            .c_str());
  m.def(
      "random_gumbel",
      [](const py::object& shape, const std::string& dtype) {
        return random_gumbel(shape_of(shape, "random_gumbel"), parse_dtype(dtype));
      },
      py::arg("shape"), py::arg("dtype") = "float32",
      documented("random_gumbel",
                 "Numbers of the standard Gumbel distribution, drawn whenever it runs: -log(-log(u)) of a uniform u.")
          .c_str());
  m.def("random_bernoulli", &bernoulli_of, py::arg("p"), py::arg("shape") = py::none(), py::arg("dtype") = py::none(),
        documented("random_bernoulli",
                   "1 with probability p, else 0, drawn whenever it runs: in the shape and dtype of p, or in `shape`. "
                   "A\nchoice: no gradient flows to p.")
            .c_str());
  m.def(
      "random_categorical",
      [](const Tensor& logits, const Integer& axis) {
        return random_categorical(logits, axis_at(axis, "random_categorical"));
      },
      py::arg("logits"), py::arg("axis") = py::int_(-1),
      documented("random_categorical",
                 "An index along the axis, which it drops, with the probabilities softmax(logits), as int32; drawn\n"
                 "whenever it runs. A choice: no gradient flows to the logits (see `gumbel_softmax`).")
          .c_str());
  m.def(
      "random_permutation",
      [](const Integer& n, const std::string& dtype) {
        return random_permutation(n.as<Dim>("random_permutation", "n"), parse_dtype(dtype));
      },
      py::arg("n"), py::arg("dtype") = "float32",
      documented("random_permutation",
                 "0 to n - 1 in a random order, as int32; drawn whenever it runs. `dtype`: the real type in which the\n"
                 "graph computes.")
          .c_str());
  m.def(
      "gumbel_softmax",
      [](const Tensor& logits, double temperature, bool hard, const Integer& axis) {
        return gumbel_softmax(logits, temperature, hard, axis_at(axis, "gumbel_softmax"));
      },
      py::arg("logits"), py::arg("temperature") = 1.0, py::arg("hard") = false, py::arg("axis") = py::int_(-1),
      documented(
          "gumbel_softmax",
          "softmax((logits + noise) / temperature), of Gumbel noise that is drawn whenever it runs: nearly one-hot "
          "at\na low temperature, and differentiable (Jang et al. 2017). With `hard` one-hot, with that gradient.")
          .c_str());
}

}  // namespace backpass::python
