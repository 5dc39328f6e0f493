// Axes, dimensions and indices as callers of functions of tensors typed them.
#pragma once

#include <pybind11/stl.h>

#include <variant>

#include "arrays.h"

namespace backpass::python {

using Integers = std::vector<Integer>;
using AnyAxes = std::variant<py::none, Integers, Integer>;  // all, several, one

std::vector<Dim> dims_of(const Integers& integers, const char* where, const char* name);
std::optional<std::vector<Dim>> axes_of(const AnyAxes& axis, const char* where);
Dim axis_at(const Integer& axis, const char* where);
std::optional<Dim> axis_or_none(const std::optional<Integer>& axis, const char* where);
std::optional<Dim> ignored(const std::optional<Integer>& index, const char* where);
DType any_dtype(const std::string& dtype);  // "int32" too
// A number is one dimension.
Shape shape_of(const py::object& shape, const char* where);
// A tensor as it is; whole numbers and arrays of them as int32 constants.
Tensor to_indices(const py::object& indices, const std::string& where);

}  // namespace backpass::python
