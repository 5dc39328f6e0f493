// The boundary: Python objects in as views of their memory, arrays of ours out without a copy.
#pragma once

#include <backpass/backpass.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

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
// None is an empty view.
Argument optional_argument(py::handle value, const std::string& where, const std::string& name);
// Throws std::invalid_argument that names the first row with a nan or an infinity.
void require_finite(const ArrayView& view, const std::string& where, const std::string& name);
// Throws std::invalid_argument that names the first row with a finite number too large for `dtype`.
void require_castable(const ArrayView& view, DType dtype, const std::string& where, const std::string& name);

py::dtype numpy_dtype(DType dtype);
py::array to_numpy(const Array& array);     // shares the memory
py::array to_numpy(const ArrayView& view);  // a copy: what is viewed may go before Python does
// Writable; `owner` keeps the memory alive.
py::array writable_view(void* data, DType dtype, const Shape& shape, const py::object& owner);
py::tuple to_tuple(const Shape& shape);  // None where the dimension is the batch
Shape to_shape(const py::sequence& dims);

}  // namespace backpass::python
