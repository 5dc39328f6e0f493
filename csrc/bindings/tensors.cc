// Tensors with operators, and graphs of them.
#include <pybind11/operators.h>
#include <pybind11/stl.h>

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

std::optional<Dim> bound(const py::object& value) {
  if (value.is_none()) return {};
  // Beyond 64 bits is beyond every axis.
  const py::int_ number = py::reinterpret_steal<py::int_>(PyNumber_Index(value.ptr()));
  if (!number) throw py::error_already_set();
  return PyNumber_AsSsize_t(number.ptr(), nullptr);
}

Index one_index(const py::handle& key) {
  if (key.is(py::ellipsis())) return Ellipsis{};
  if (key.is_none()) return NewAxis{};
  if (py::isinstance<py::slice>(key))
    return IndexRange{bound(key.attr("start")), bound(key.attr("stop")), bound(key.attr("step")).value_or(1)};
  if (PyIndex_Check(key.ptr()) != 0 && !py::isinstance<py::bool_>(key))
    return Integer{py::reinterpret_borrow<py::object>(key)}.as<Dim>("Tensor", "index");
  throw py::type_error("[Tensor] takes whole numbers, ranges, ..., None and arrays of indices, got " +
                       py::repr(key).cast<std::string>());
}

Tensor item(const Tensor& x, const py::object& key) {
  std::vector<Index> indices;
  if (py::isinstance<py::tuple>(key))
    for (const py::handle one : py::reinterpret_borrow<py::tuple>(key)) indices.push_back(one_index(one));
  else
    indices.push_back(one_index(key));
  return index(x, indices);
}

// Of a shape that is known.
Dim elements(const Tensor& x) {
  Dim count = 1;
  for (const Dim dim : x.shape())
    count = dim == kBatch ? throw py::type_error("[Tensor] the batch of " + to_string(x.shape()) +
                                                 " has no size while a graph is built")
                          : count * dim;
  return count;
}

Dim length(const Tensor& x) {
  if (x.shape().empty()) throw py::type_error("[Tensor] of shape () has no length");
  if (x.shape()[0] == kBatch) throw py::type_error("[Tensor] the batch has no length while a graph is built");
  return x.shape()[0];
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
      .def("__getitem__", &item, py::arg("key"))
      .def(
          "__abs__", [](const Tensor& x) { return abs(x); }, py::is_operator())
      .def("__hash__", [](const Tensor& x) { return std::hash<const void*>()(&x.op()); });
}

void bind_tensor(py::module_& module) {
  py::class_<Tensor> tensor(
      module, "Tensor",
      documented(
          "Tensor",
          "A value in a graph: its shape and type are known, its elements are not.\n\n"
          "Tensors come from `Input`, `input` and `parameter`; operators (`+ - * / @ ** % == < & |` ...) and the\n"
          "functions of this module make new ones. Shapes are checked at once (ValueError).")
          .c_str());
  tensor
      .def_property_readonly(
          "shape", [](const Tensor& x) { return to_tuple(x.shape()); }, "The dimensions; None where it is the batch.")
      .def_property_readonly(
          "dtype", [](const Tensor& x) { return std::string(name(x.dtype())); },
          "\"float32\", \"float64\" or \"int32\".")
      .def_property_readonly(
          "id", &Tensor::id,
          "A number of this tensor alone: what tells whether two are the same, as `==` compares elements.")
      .def_property_readonly("name", &Tensor::name, "Of an input or a parameter, else empty.")
      .def_property_readonly("kind", &Tensor::kind, "What makes it: \"matmul\", \"relu\", ...")
      .def("__repr__", &print);
  tensor
      .def_property_readonly(
          "ndim", [](const Tensor& x) { return x.shape().size(); }, "How many dimensions it has.")
      .def_property_readonly("size", &elements, "How many elements it has; TypeError where that depends on the batch.")
      .def_property_readonly(
          "T", [](const Tensor& x) { return transpose(x); }, "All axes in the opposite order.")
      .def_property_readonly(
          "mT", [](const Tensor& x) { return swapaxes(x, -1, -2); }, "The last two axes in each other's place.")
      .def("__len__", &length)
      .def("__iter__", [](const Tensor& x) {
        length(x);
        return py::iter(py::cast(unstack(x)));
      });
  bind_operators(tensor);
  module.def("index_axes", &index_axes);  // what indexing by arrays comes to
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
