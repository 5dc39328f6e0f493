// What is said of whole numbers that are none, or too large.
#include "integer.h"

#include <backpass/shape.h>

namespace backpass::python {

namespace py = pybind11;

py::int_ Integer::whole(const std::string& where, const std::string& name) const {
  if (PyIndex_Check(value.ptr()) && !PyBool_Check(value.ptr()))
    if (PyObject* number = PyNumber_Index(value.ptr())) return py::reinterpret_steal<py::int_>(number);
  PyErr_Clear();  // an object may have __index__ and fail
  throw py::type_error("[" + where + "] " + name + " must be an integer, got " + py::repr(value).cast<std::string>());
}

void Integer::refuse(const py::int_& number, const std::string& where, const std::string& name, const py::int_& low,
                     const py::int_& high) {
  const bool is_long = number.attr("bit_length")().cast<Dim>() > 256;
  const std::string given = is_long ? "one of many digits" : py::str(number).cast<std::string>();
  throw std::invalid_argument("[" + where + "] " + name + " must lie between " + py::str(low).cast<std::string>() +
                              " and " + py::str(high).cast<std::string>() + ", got " + given);
}

}  // namespace backpass::python
