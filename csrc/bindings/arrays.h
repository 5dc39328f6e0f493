// The boundary: Python objects in as views of their memory, arrays of ours out without a copy.
#pragma once

#include <backpass/backpass.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <optional>

#include "integer.h"
#include "lock.h"

namespace backpass::python {

namespace py = pybind11;

// An argument while a call reads it: the view, and what keeps its memory alive.
struct Argument {
  py::object owner;
  ArrayView view;
};

// `[where] name` opens every error message. Refuses with TypeError what is not an array of real numbers. Memory whose
// rows are dense is read in place; any other layout is copied once.
Argument argument(py::handle value, const std::string& where, const std::string& name);
// The arguments for some tensors while a call reads them.
struct Arguments {
  Argument first;  // one alone allocates nothing
  std::vector<Argument> rest;
  ArrayViews views;
};
// One array where there is one tensor; else a list or tuple of arrays, or a dict by the tensors' names.
Arguments arguments(py::handle value, const std::vector<Tensor>& tensors, const std::string& where,
                    const std::string& name);

// Tensors or arrays given for some tensors, in their order: one where there is one; else a list, a tuple or a dict.
std::vector<py::object> parts_of(py::handle value, const std::vector<Tensor>& tensors, const std::string& where,
                                 const std::string& name);

// A real number, or an array that is one; nothing where it is something else.
std::optional<double> to_number(py::handle value, const std::string& where, const std::string& name);
// None is an empty view.
Argument optional_argument(py::handle value, const std::string& where, const std::string& name);
// Throws std::invalid_argument that names the first row with a nan or an infinity.
void require_finite(const ArrayView& view, const std::string& where, const std::string& name);
// Throws std::invalid_argument that names the first row with a finite number too large for `dtype`.
void require_castable(const ArrayView& view, DType dtype, const std::string& where, const std::string& name);
void require_castable(const Arguments& arguments, DType dtype, const std::string& where, const std::string& name);

py::dtype numpy_dtype(DType dtype);
py::array to_numpy(const Array& array);                 // shares the memory
py::object to_numpy(const std::vector<Array>& arrays);  // one alone, or a list where there are several
py::array to_numpy(const ArrayView& view);              // a copy: what is viewed may go before Python does
// Writable; `owner` keeps the memory alive.
py::array writable_view(void* data, DType dtype, const Shape& shape, const py::object& owner);
// A Python object that threads without the interpreter's lock may copy and drop.
using Callable = std::shared_ptr<py::object>;
Callable hold(const py::handle& object);

// A name, or a function (shape, seed) -> float64 array.
Initializer to_initializer(const py::object& given, double gain = 1.0);
py::dict to_dict(const Attributes& attributes);  // layers within as (type, settings) pairs
Attributes to_attributes(const py::dict& settings);
py::tuple to_tuple(const Shape& shape);  // None where the dimension is the batch
// ValueError where a dimension does not fit 64 bits or there are too many, TypeError where one is neither None nor an
// integer; both say `[where] shape`.
Shape to_shape(const py::object& dims, const std::string& where);

}  // namespace backpass::python
