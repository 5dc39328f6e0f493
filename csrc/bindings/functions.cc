// Functions of tensors: leaves, elementwise functions, products, derivatives.
#include <backpass/eager.h>
#include <pybind11/stl.h>

#include "axes.h"
#include "bindings.h"
#include "operand.h"

namespace backpass::python {
namespace {

std::uint32_t stream_of(const std::optional<Integer>& stream, const char* where) {
  return stream ? stream->as<std::uint32_t>(where, "stream") : kNextStream;
}

Tensor constant_values(const py::array_t<double, py::array::c_style>& values, const std::string& dtype) {
  const Shape shape(values.shape(), values.shape() + values.ndim());
  return constant(std::vector<double>(values.data(), values.data() + values.size()), shape, any_dtype(dtype));
}

void bind_leaves(py::module_& m) {
  m.def(
      "input",
      [](const py::object& shape, const std::string& dtype, std::string name) {
        return input(to_shape(shape, "input"), any_dtype(dtype), std::move(name));
      },
      py::arg("shape"), py::arg("dtype") = "float32", py::arg("name") = "x",
      documented("input", "A value given when the graph runs. None as first dimension is the batch.").c_str());
  m.def(
      "parameter",
      [](const py::object& shape, const std::string& dtype, std::string name, const py::object& initializer,
         double gain) {
        return parameter(to_shape(shape, "parameter"), parse_dtype(dtype), std::move(name),
                         to_initializer(initializer, gain));
      },
      py::arg("shape"), py::arg("dtype") = "float32", py::arg("name") = "w", py::arg("initializer") = "zeros",
      py::arg("gain") = 1.0,
      "A value that training changes. Initializers: zeros, ones, glorot_uniform, glorot_normal, he_uniform,\n"
      "he_normal, lecun_uniform, lecun_normal, orthogonal; `gain` multiplies the values of all but the first two.");
  m.def(
      "constant",
      [](double value, const py::object& shape, const std::string& dtype) {
        return constant(value, to_shape(shape, "constant"), any_dtype(dtype));
      },
      py::arg("value"), py::arg("shape") = py::tuple(), py::arg("dtype") = "float32", "`value` in every element.");
  m.def("constant_values", &constant_values, py::arg("values"), py::arg("dtype"));
  m.def(
      "beside", [](const Tensor& tensor, const Operand& x) { return as_tensor(x, tensor); }, py::arg("tensor"),
      py::arg("x"), "A number or an array beside a tensor, in its type. Private.");
}

Tensor gelu_by_name(const Tensor& x, const std::string& approximate) {
  if (approximate == "none") return gelu(x);
  if (approximate == "tanh") return gelu_tanh(x);
  throw std::invalid_argument("[gelu] approximate must be one of none, tanh, got \"" + approximate + "\"");
}

Tensor of_two(Elementwise fn, const Operand& a, const Operand& b) {
  const Tensor beside = first_tensor(name(fn), {a, b}), first = as_tensor(a, beside);
  return elementwise(fn, first, as_tensor(b, beside));
}

Tensor power_of(const Operand& a, const Operand& b) {
  const bool whole = std::holds_alternative<Tensor>(a) && std::holds_alternative<double>(b);
  return whole ? power(std::get<Tensor>(a), std::get<double>(b)) : of_two(Elementwise::power, a, b);
}

Tensor where_of(const Operand& condition, const Operand& a, const Operand& b) {
  const Tensor beside = first_tensor("where", {a, b, condition});
  const Tensor chosen = as_tensor(condition, beside), first = as_tensor(a, beside);
  return where(chosen, first, as_tensor(b, beside));
}

Tensor clipped(const Tensor& x, const std::optional<Operand>& low, const std::optional<Operand>& high) {
  const Tensor least = low ? as_tensor(*low, x) : Tensor();
  return clip(x, least, high ? as_tensor(*high, x) : Tensor());
}

// Operators of tensors and numbers that are a function of the list; `mirrored` where the number may stand on the left.
void bind_operator(const py::object& tensor, const char* python_name, Elementwise fn, const char* mirrored = nullptr) {
  const auto add = [&](const char* method, auto function) {
    tensor.attr(method) = py::cpp_function(function, py::name(method), py::is_method(tensor), py::is_operator());
  };
  add(python_name, [fn](const Tensor& a, const Operand& b) { return of_two(fn, a, b); });
  if (mirrored != nullptr) add(mirrored, [fn](const Tensor& b, double a) { return of_two(fn, a, b); });
}

void bind_choices(py::module_& m) {
  m.def("power", &power_of, py::arg("a"), py::arg("b"),
        documented("power",
                   "a^b. Whole numbers up to 64 as exponents are products; of negative a only whole b are "
                   "defined. x^0 is 1.")
            .c_str());
  m.def(
      "polygamma", [](const Integer& n, const Tensor& x) { return polygamma(n.as<int>("polygamma", "n"), x); },
      py::arg("n"), py::arg("x"),
      documented("polygamma", "The derivative of `digamma` of order n, from 0 to 16, where x > 0; nan elsewhere.")
          .c_str());
  m.def("where", &where_of, py::arg("condition"), py::arg("a"), py::arg("b"),
        documented(
            "where",
            "a where the condition is not 0, else b, broadcast as in NumPy. Of what is not chosen neither value nor\n"
            "gradient counts, nan included; none flows to the condition.")
            .c_str());
  m.def("clip", &clipped, py::arg("x"), py::arg("low") = py::none(), py::arg("high") = py::none(),
        documented(
            "clip",
            "x within [low, high], numbers or tensors; None is no bound. The derivative at a bound is 1, beyond 0.")
            .c_str());
  const py::object tensor = m.attr("Tensor");
  bind_operator(tensor, "__eq__", Elementwise::equal);
  bind_operator(tensor, "__ne__", Elementwise::not_equal);
  bind_operator(tensor, "__lt__", Elementwise::less);
  bind_operator(tensor, "__le__", Elementwise::less_equal);
  bind_operator(tensor, "__gt__", Elementwise::greater);
  bind_operator(tensor, "__ge__", Elementwise::greater_equal);
  bind_operator(tensor, "__and__", Elementwise::logical_and, "__rand__");
  bind_operator(tensor, "__or__", Elementwise::logical_or, "__ror__");
  bind_operator(tensor, "__xor__", Elementwise::logical_xor, "__rxor__");
  bind_operator(tensor, "__mod__", Elementwise::mod, "__rmod__");
  const auto add = [&](const char* method, auto function) {
    tensor.attr(method) = py::cpp_function(function, py::name(method), py::is_method(tensor), py::is_operator());
  };
  add("__invert__", [](const Tensor& x) { return logical_not(x); });
  add("__pow__", [](const Tensor& x, const Operand& p) { return power_of(x, p); });
  add("__rpow__", [](const Tensor& p, double x) { return power_of(x, p); });
}

// A function of the list, by its row.
void bind_function(py::module_& m, const ElementwiseRow& row) {
  const std::string doc = documented(row.name, row.doc);
  const Elementwise fn = row.fn;
  if (row.inputs == 2)
    m.def(
        row.name, [fn](const Operand& a, const Operand& b) { return of_two(fn, a, b); }, py::arg("a"), py::arg("b"),
        doc.c_str());
  else if (row.alpha != nullptr)
    m.def(
        row.name, [fn](const Tensor& x, double alpha) { return elementwise(fn, x, alpha); }, py::arg("x"),
        py::arg(row.alpha) = row.usual_alpha, doc.c_str());
  else
    m.def(
        row.name, [fn](const Tensor& x) { return elementwise(fn, x); }, py::arg("x"), doc.c_str());
}

void bind_elementwise(py::module_& m) {
  const auto unary = [&m](const char* name, Tensor (*function)(const Tensor&), const char* doc) {
    m.def(name, function, py::arg("x"), documented(name, doc).c_str());
  };
  for (const ElementwiseRow& row : kElementwise)
    if (row.doc != nullptr) bind_function(m, row);
  m.def("gelu", &gelu_by_name, py::arg("x"), py::arg("approximate") = "none",
        documented(
            "gelu",
            "x Phi(x), Phi the standard normal distribution (Hendrycks and Gimpel 2016); with approximate=\"tanh\"\n"
            "x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.")
            .c_str());
  bind_choices(m);
  unary("selu", &selu, "1.0507 elu(x, 1.6733): what keeps mean 0 and variance 1 (Klambauer et al. 2017).");
  m.def("hardtanh", &hardtanh, py::arg("x"), py::arg("low") = -1.0, py::arg("high") = 1.0,
        documented("hardtanh", "x, or the bound that it lies beyond; derivative 0 at the bounds.").c_str());
  unary("relu6", &relu6, "min(max(x, 0), 6); derivative 0 at 0 and 6.");
  m.def(
      "dropout",
      [](const Tensor& x, double rate, const std::optional<Integer>& stream) {
        return dropout(x, rate, stream_of(stream, "dropout"));
      },
      py::arg("x"), py::arg("rate"), py::arg("stream") = py::none(),
      documented(
          "dropout",
          "In training zero with probability `rate`, else x / (1 - rate) (Srivastava et al. 2014); x otherwise.\n"
          "Dropouts of one `stream` drop the same elements; without one, a network gives each its own.")
          .c_str());
  m.def(
      "gaussian_noise",
      [](const Tensor& x, double deviation, const std::optional<Integer>& stream) {
        return gaussian_noise(x, deviation, stream_of(stream, "gaussian_noise"));
      },
      py::arg("x"), py::arg("deviation"), py::arg("stream") = py::none(),
      documented("gaussian_noise",
                 "x plus normal noise of some deviation in training; x otherwise. `stream` as in `dropout`.")
          .c_str());
  m.def(
      "alpha_dropout",
      [](const Tensor& x, double rate, const std::optional<Integer>& stream) {
        return alpha_dropout(x, rate, stream_of(stream, "alpha_dropout"));
      },
      py::arg("x"), py::arg("rate"), py::arg("stream") = py::none(),
      documented("alpha_dropout",
                 "Dropout that keeps mean 0 and variance 1 of SELU networks (Klambauer et al. 2017). `stream` as in "
                 "`dropout`.")
          .c_str());
  m.def("by_mode", &by_mode, py::arg("training"), py::arg("otherwise"),
        documented("by_mode", "`training` in training, `otherwise` at other times; the gradient goes the same way.")
            .c_str());
  m.def("track", &track, py::arg("y"), py::arg("state"), py::arg("value"), py::arg("momentum"),
        documented("track", "y; and after each training step, state <- state + momentum (value - state).").c_str());
  m.def("add_loss", &add_loss, py::arg("y"), py::arg("term"),
        documented("add_loss",
                   "y; the loss in training of every model that computes it has `term` in it: a number, or numbers "
                   "whose mean is\ntaken. For penalties on activations; `evaluate` and validation leave it out. "
                   "`Layer.add_loss` does it for a layer.")
            .c_str());
  m.def("straight_through", &straight_through, py::arg("hard"), py::arg("soft"),
        documented("straight_through",
                   "The value of `hard` with the gradient of `soft` (Bengio et al. 2013); both of one shape and dtype.")
            .c_str());
  unary("stop_gradient", &stop_gradient, "x, through which no gradient flows.");
}

}  // namespace

void bind_functions(py::module_& module) {
  bind_leaves(module);
  const py::set others(module.attr("__dict__"));
  bind_elementwise(module);
  bind_products(module);
  bind_convolutions(module);
  bind_pooling(module);
  bind_attention(module);
  bind_reductions(module);
  bind_shapes(module);
  bind_lookups(module);
  bind_fills(module);
  bind_random(module);
  module.def(
      "gradients",
      [](const Tensor& y, const py::object& xs, const std::optional<Tensor>& seed) {
        if (py::isinstance<Tensor>(xs))  // which is a sequence of its rows
          throw py::type_error("[gradients] xs must be a list of tensors: gradients(y, [x])");
        const auto all = xs.cast<std::vector<Tensor>>();
        if (eager::requires_grad(y) && (seed || y.shape().empty()))
          return eager::recorded_gradients({y}, all, {seed.value_or(Tensor())});
        return gradients(y, all, seed.value_or(Tensor()));
      },
      py::arg("y"), py::arg("xs"), py::arg("seed") = py::none(),
      documented(
          "gradients",
          "d sum(y * seed) / dx for every x in `xs`, by reverse accumulation: tensors that can be differentiated\n"
          "again. Without a seed y must be a scalar; an x that y does not depend on gets zeros.")
          .c_str());
  const py::list names = py::module_::import("builtins").attr("sorted")(py::set(module.attr("__dict__")) - others);
  module.def("functions", [functions = names.cast<std::vector<std::string>>()] { return functions; });
}

}  // namespace backpass::python
