// Arguments of wrong types: in a line of our own, what pybind11 tells in many.
#include <algorithm>
#include <string>
#include <utility>

#include "bindings.h"

namespace backpass::python {

namespace py = pybind11;

namespace {

constexpr std::size_t kMaxShown = 200;  // characters of what was given

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

// "[relu] takes (x: Tensor), got x=None", of a text with a line such as "    1. (x: backpass._core.Tensor) ->
// backpass._core.Tensor" for each overload, and "Invoked with: kwargs: x=None" behind them.
std::string refusal(const std::string& name, const std::string& what) {
  const std::string invoked = "\nInvoked with: ";
  const std::size_t end = std::min(what.find(invoked), what.size());
  std::string takes;
  for (std::size_t at = what.find(". ("); at < end; at = what.find(". (", at + 1)) {
    const std::string line = what.substr(at + 2, what.find('\n', at) - at - 2);
    takes += (takes.empty() ? "" : " or ") + line.substr(0, line.rfind(") -> ") + 1);
  }
  const std::pair<const char*, const char*> words[] = {{"backpass._core.", ""},
                                                       {"typing.SupportsFloat | typing.SupportsIndex", "number"},
                                                       {"typing.SupportsInt | typing.SupportsIndex", "integer"},
                                                       {"collections.abc.", ""},
                                                       {"self: object, ", ""}};
  for (const auto& [from, to] : words) replace_all(takes, from, to);
  std::string given = end < what.size() ? what.substr(end + invoked.size()) : "nothing";
  replace_all(given, "kwargs: ", "");
  if (given.size() > kMaxShown) given = given.substr(0, kMaxShown) + "...";
  const bool of_arrays = takes.find("Tensor") != takes.npos && given.find("array(") != given.npos;
  return "[" + name + "] takes " + takes + ", got " + given +
         (of_arrays ? "; operations are of tensors, and bp.Graph computes them for arrays" : "");
}

// What was given, where pybind11 does not say so.
std::string shown(const py::args& args, const py::kwargs& kwargs) {
  std::string given = py::repr(args).cast<std::string>() + (kwargs.empty() ? "" : py::repr(kwargs).cast<std::string>());
  if (given.size() > kMaxShown) given = given.substr(0, kMaxShown) + "...";
  return given;
}

template <class... Extra>
py::cpp_function telling(const py::object& function, const std::string& name, const Extra&... extra) {
  return py::cpp_function(
      [function, name](const py::args& args, const py::kwargs& kwargs) -> py::object {
        try {
          return function(*args, **kwargs);
        } catch (const py::error_already_set& error) {
          const std::string what = py::str(error.value());
          const auto says = [&](const char* part) { return what.find(part) != what.npos; };
          if (error.matches(PyExc_TypeError) &&
              (says("incompatible function arguments") || says("incompatible constructor arguments")))
            throw py::type_error(refusal(name, what));
          if (error.matches(PyExc_RuntimeError) && says("Unable to cast Python instance"))
            throw py::type_error("[" + name + "] an argument is of the wrong type or out of range, got " +
                                 shown(args, kwargs));
          throw;
        }
      },
      extra...);
}

}  // namespace

void tell_of_arguments(py::module_& module) {
  py::options options;
  options.disable_function_signatures();  // the texts have them
  const py::dict members = module.attr("__dict__").attr("copy")();
  for (const auto& [key, value] : members) {
    const std::string name = py::str(key);
    const auto member = py::reinterpret_borrow<py::object>(value);
    if (PyCFunction_Check(value.ptr())) {
      const std::string doc = member.attr("__doc__").is_none() ? "" : std::string(py::str(member.attr("__doc__")));
      module.attr(name.c_str()) =
          telling(member, name, py::name(name.c_str()), py::scope(module), py::doc(doc.c_str()));
    } else if (PyType_Check(value.ptr()) && py::dict(member.attr("__dict__")).contains("__init__")) {
      member.attr("__init__") = telling(member.attr("__init__"), name, py::name("__init__"), py::is_method(member));
    }
  }
}

}  // namespace backpass::python
