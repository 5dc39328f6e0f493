// Axes, dimensions and indices as callers typed them.
#include "axes.h"

namespace backpass::python {

std::vector<Dim> dims_of(const Integers& integers, const char* where, const char* name) {
  std::vector<Dim> dims;
  for (const Integer& integer : integers) dims.push_back(integer.as<Dim>(where, name));
  return dims;
}

std::optional<std::vector<Dim>> axes_of(const AnyAxes& axis, const char* where) {
  if (const auto* one = std::get_if<Integer>(&axis)) return std::vector<Dim>{one->as<Dim>(where, "axis")};
  if (const auto* several = std::get_if<Integers>(&axis)) return dims_of(*several, where, "axis");
  return {};
}

Dim axis_at(const Integer& axis, const char* where) { return axis.as<Dim>(where, "axis"); }

std::optional<Dim> axis_or_none(const std::optional<Integer>& axis, const char* where) {
  return axis ? std::optional(axis->as<Dim>(where, "axis")) : std::nullopt;
}

std::optional<Dim> ignored(const std::optional<Integer>& index, const char* where) {
  return index ? std::optional(index->as<Dim>(where, "ignore")) : std::nullopt;
}

DType any_dtype(const std::string& dtype) { return dtype == "int32" ? DType::int32 : parse_dtype(dtype); }

Shape shape_of(const py::object& shape, const char* where) {
  return to_shape(py::isinstance<py::int_>(shape) ? py::make_tuple(shape) : shape, where);
}

Tensor to_indices(const py::object& indices, const std::string& where) {
  if (py::isinstance<Tensor>(indices)) return indices.cast<Tensor>();
  const py::object numpy = py::module_::import("numpy");
  const py::array array = numpy.attr("asarray")(indices);
  const char kind = array.dtype().kind();
  if (kind != 'i' && kind != 'u' && array.size() > 0)
    throw py::type_error("[" + where + "] indices must be whole numbers, got dtype " +
                         py::str(array.dtype()).cast<std::string>());
  const auto values = py::array_t<double, py::array::c_style | py::array::forcecast>(array);
  return constant(std::vector<double>(values.data(), values.data() + values.size()),
                  Shape(values.shape(), values.shape() + values.ndim()), DType::int32);
}

}  // namespace backpass::python
