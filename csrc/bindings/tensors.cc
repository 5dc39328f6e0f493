// Tensors with operators, and graphs of them.
#include <pybind11/operators.h>
#include <pybind11/stl.h>

#include <cmath>

#include "backpass/products.h"
#include "bindings.h"
#include "function_call.h"

namespace backpass::python {
namespace {

std::string print(const Tensor& x) {
  std::string text = "<Tensor " + x.kind();
  if (!x.name().empty()) text += " " + x.name();
  return text + " " + to_string(x.shape()) + " " + name(x.dtype()) + ">";
}

// x ** p: a whole p by repeated products, any other through logarithms.
Tensor power(const Tensor& x, double p) {
  if (p == 0.5) return sqrt(x);
  const double whole = std::abs(p);
  if (whole != std::floor(whole) || whole > 64) return exp(p * log(x));
  if (p == 0) return x * 0.0 + 1.0;
  Tensor result, square_of = x;
  for (int left = static_cast<int>(whole); left > 0; left /= 2) {
    if (left % 2 == 1) result = result ? result * square_of : square_of;
    if (left > 1) square_of = square(square_of);
  }
  return p > 0 ? result : 1.0 / result;
}

// x[..., 1:3] and x[:, 0] as in NumPy: ranges without steps, whole numbers, and all of the batch.
class Indexed {
 public:
  explicit Indexed(const Tensor& x) : result_(x) {}

  Tensor operator()(const py::tuple& keys) {
    const std::size_t rank = result_.shape().size(), given = keys.size() - (keys.contains(py::ellipsis()) ? 1 : 0);
    if (given > rank) throw py::index_error("[Tensor] has " + std::to_string(rank) + " dimensions");
    bool filled = false;
    for (const py::handle key : keys) {
      if (key.is(py::ellipsis())) {
        if (std::exchange(filled, true)) throw py::index_error("[Tensor] an index has one ... at most");
        for (std::size_t i = given; i < rank; ++i) keep();
      } else if (py::isinstance<py::slice>(key)) {
        take_range(py::reinterpret_borrow<py::slice>(key));
      } else if (py::isinstance<py::int_>(key) && !py::isinstance<py::bool_>(key)) {
        take_one(Integer{py::reinterpret_borrow<py::object>(key)}.as<Dim>("Tensor", "index"));
      } else {
        throw py::type_error("[Tensor] takes whole numbers, ranges and ..., got " + py::repr(key).cast<std::string>());
      }
    }
    while (axis_ < rank) keep();
    return kept_ == result_.shape() ? result_ : reshape(result_, kept_);
  }

 private:
  Dim size() const { return result_.shape()[axis_]; }
  void keep() { kept_.push_back(result_.shape()[axis_++]); }

  void take_range(const py::slice& range) {
    const bool whole = range.attr("start").is_none() && range.attr("stop").is_none();
    py::ssize_t begin = 0, end = 0, step = 1, length = 0;
    if (size() == kBatch) {
      if (!whole) throw py::index_error("[Tensor] the batch can only be taken whole");
    } else if (!range.compute(size(), &begin, &end, &step, &length)) {
      throw py::error_already_set();
    } else if (step != 1) {
      throw py::index_error("[Tensor] a range has no step");
    } else if (length != size()) {
      result_ = slice(result_, static_cast<Dim>(axis_), begin, begin + length);
    }
    keep();
  }

  void take_one(Dim index) {
    if (size() == kBatch || index < -size() || index >= size())
      throw py::index_error("[Tensor] index " + std::to_string(index) + " is out of range in axis " +
                            std::to_string(axis_) + " of " + to_string(result_.shape()));
    const Dim begin = index < 0 ? index + size() : index;
    result_ = slice(result_, static_cast<Dim>(axis_++), begin, begin + 1);
  }

  Tensor result_;
  Shape kept_;
  std::size_t axis_ = 0;
};

Tensor item(const Tensor& x, const py::object& key) {
  return Indexed(x)(py::isinstance<py::tuple>(key) ? py::tuple(key) : py::make_tuple(key));
}

void bind_operators(py::class_<Tensor>& tensor) {
  // A number on the right or left takes part as a constant of every shape.
  tensor.def(-py::self)
      .def(py::self + py::self)
      .def(py::self - py::self)
      .def(py::self * py::self)
      .def(py::self / py::self)
      .def(py::self + double())
      .def(py::self - double())
      .def(py::self * double())
      .def(py::self / double())
      .def(double() + py::self)
      .def(double() - py::self)
      .def(double() * py::self)
      .def(double() / py::self)
      .def(
          "__matmul__", [](const Tensor& a, const Tensor& b) { return matmul(a, b); }, py::is_operator())
      .def("dot", &dot, py::arg("other"), "As `bp.dot`.")
      .def("__pow__", &power, py::is_operator())
      .def("__getitem__", &item, py::arg("key"))
      .def(
          "__abs__", [](const Tensor& x) { return abs(x); }, py::is_operator())
      .def(
          "__gt__", [](const Tensor& a, const Tensor& b) { return greater(a, b); }, py::is_operator())
      .def(
          "__eq__", [](const Tensor& a, const Tensor& b) { return a == b; }, py::is_operator(),
          "Whether both are the same value of the same graph.")
      .def("__hash__", [](const Tensor& x) { return std::hash<const void*>()(&x.op()); });
}

void bind_tensor(py::module_& module) {
  py::class_<Tensor> tensor(
      module, "Tensor",
      documented("Tensor",
                 "A value in a graph: its shape and type are known, its elements are not.\n\n"
                 "Tensors come from `Input`, `input` and `parameter`; operators (`+ - * / @`) and the\n"
                 "functions of this module make new ones. Shapes are checked at once (ValueError).")
          .c_str());
  tensor
      .def_property_readonly(
          "shape", [](const Tensor& x) { return to_tuple(x.shape()); }, "The dimensions; None where it is the batch.")
      .def_property_readonly(
          "dtype", [](const Tensor& x) { return std::string(name(x.dtype())); },
          "\"float32\", \"float64\" or \"int32\".")
      .def_property_readonly("name", &Tensor::name, "Of an input or a parameter, else empty.")
      .def_property_readonly("kind", &Tensor::kind, "What makes it: \"matmul\", \"relu\", ...")
      .def("__repr__", &print);
  tensor.attr("__iter__") = py::none();  // with an index alone, Python would find no elements and say nothing
  bind_operators(tensor);
}

py::list run(const CallableGraph& graph, const py::args& arrays, bool training, const Integer& seed,
             const Integer& step) {
  return call_function(graph.function(training), arrays,
                       {seed.as<std::uint64_t>("Graph", "seed"), step.as<std::uint64_t>("Graph", "step")});
}

void bind_graph(py::module_& module) {
  py::class_<CallableGraph>(
      module, "Graph",
      documented("Graph",
                 "The operations between some inputs and some outputs. Printing it shows one line per operation;\n"
                 "calling it with one array per input computes the outputs.")
          .c_str())
      .def(py::init<std::vector<Tensor>, std::vector<Tensor>>(), py::arg("inputs"), py::arg("outputs"))
      .def_property_readonly("inputs", &Graph::inputs, py::return_value_policy::copy, "What it is called with.")
      .def_property_readonly("outputs", &Graph::outputs, py::return_value_policy::copy, "What it computes.")
      .def_property_readonly("ops", &Graph::ops, py::return_value_policy::copy,
                             "Every tensor, each after those that it needs.")
      .def_property_readonly("parameters", &Graph::parameters, py::return_value_policy::copy,
                             "The parameters among the leaves.")
      .def("to_dot", &Graph::to_dot, "The graph in Graphviz's language.")
      .def("__call__", &run, py::kw_only(), py::arg("training") = false, py::arg("seed") = py::int_(0),
           py::arg("step") = py::int_(0),
           "The outputs as a list of arrays. `training` turns dropout on, with the masks of `seed` and `step`.")
      .def("__str__", &Graph::to_string)
      .def("__repr__", &Graph::to_string);
}

}  // namespace

void bind_tensors(py::module_& module) {
  bind_tensor(module);
  bind_graph(module);
}

}  // namespace backpass::python
