// Constants by rule, and parts of matrices.
#include "axes.h"
#include "bindings.h"

namespace backpass::python {
namespace {

// A range of whole numbers is of int32, unless a dtype says otherwise.
Tensor arange_of(const py::object& start, const py::object& stop, const py::object& step,
                 const std::optional<std::string>& dtype) {
  const auto number = [](const py::object& value) {
    const std::optional<double> given = to_number(value, "arange", "bound");
    if (!given) throw py::type_error("[arange] takes real numbers, got " + py::repr(value).cast<std::string>());
    return *given;
  };
  const py::object index = py::module_::import("numbers").attr("Integral");
  const auto whole = [&](const py::object& value) { return value.is_none() || py::isinstance(value, index); };
  const bool integers = whole(start) && whole(stop) && whole(step);
  const DType type = dtype ? any_dtype(*dtype) : integers ? DType::int32 : DType::float32;
  return stop.is_none() ? arange(0, number(start), number(step), type)
                        : arange(number(start), number(stop), number(step), type);
}

void bind_constants(py::module_& m) {
  m.def(
      "cast", [](const Tensor& x, const std::string& dtype) { return cast(x, any_dtype(dtype)); }, py::arg("x"),
      py::arg("dtype"),
      documented(
          "cast",
          "int32 as float32 or float64, and constants and what is computed of integers alone in the other type; x\n"
          "itself where it has that type. All else is a ValueError, because a graph computes in one real type:\n"
          "`bp.tensor(x, dtype=...)` takes a value into another one.")
          .c_str());
  m.def(
      "zeros",
      [](const py::object& shape, const std::string& dtype) {
        return zeros(shape_of(shape, "zeros"), any_dtype(dtype));
      },
      py::arg("shape"), py::arg("dtype") = "float32", documented("zeros", "0 in every element.").c_str());
  m.def(
      "ones",
      [](const py::object& shape, const std::string& dtype) { return ones(shape_of(shape, "ones"), any_dtype(dtype)); },
      py::arg("shape"), py::arg("dtype") = "float32", documented("ones", "1 in every element.").c_str());
  m.def(
      "full",
      [](const py::object& shape, double fill_value, const std::string& dtype) {
        return full(shape_of(shape, "full"), fill_value, any_dtype(dtype));
      },
      py::arg("shape"), py::arg("fill_value"), py::arg("dtype") = "float32",
      documented("full", "One value in every element.").c_str());
  m.def("zeros_like", &zeros_like, py::arg("x"), documented("zeros_like", "0 in the shape and dtype of x.").c_str());
  m.def("ones_like", &ones_like, py::arg("x"), documented("ones_like", "1 in the shape and dtype of x.").c_str());
  m.def("full_like", &full_like, py::arg("x"), py::arg("fill_value"),
        documented("full_like", "One value in the shape and dtype of x.").c_str());
  m.def("arange", &arange_of, py::arg("start"), py::arg("stop") = py::none(), py::arg("step") = py::int_(1),
        py::arg("dtype") = py::none(),
        documented("arange",
                   "start, start + step, ... below stop; with one number, from 0 up to it. Of whole numbers int32,\n"
                   "else float32.")
            .c_str());
  m.def(
      "linspace",
      [](double start, double stop, const Integer& num, const std::string& dtype) {
        return linspace(start, stop, num.as<Dim>("linspace", "num"), parse_dtype(dtype));
      },
      py::arg("start"), py::arg("stop"), py::arg("num") = py::int_(50), py::arg("dtype") = "float32",
      documented("linspace", "`num` numbers at equal distances from start to stop, both included.").c_str());
  m.def(
      "eye",
      [](const std::optional<Integer>& n, const std::optional<Integer>& m_columns, const Integer& k,
         const std::string& dtype) {
        const auto size = [](const Integer& given, const char* name) {
          const Dim dim = given.as<Dim>("eye", name);
          if (dim < 0)
            throw std::invalid_argument("[eye] " + std::string(name) + " must not be negative, got " +
                                        std::to_string(dim));
          return dim;
        };
        const std::optional<Dim> cols = m_columns ? std::optional(size(*m_columns, "m")) : std::nullopt;
        return eye(n ? size(*n, "n") : kBatch, cols, k.as<Dim>("eye", "k"), parse_dtype(dtype));
      },
      py::arg("n"), py::arg("m") = py::none(), py::arg("k") = py::int_(0), py::arg("dtype") = "float32",
      documented("eye",
                 "A matrix (n, m), m = n without it, with 1 on its k-th diagonal and 0 elsewhere. n = None is the\n"
                 "batch.")
          .c_str());
}

void bind_by_offset(py::module_& m, const char* name, Tensor (*function)(const Tensor&, Dim), const char* doc) {
  m.def(
      name, [name, function](const Tensor& x, const Integer& k) { return function(x, k.as<Dim>(name, "k")); },
      py::arg("x"), py::arg("k") = py::int_(0), documented(name, doc).c_str());
}

void bind_along_diagonal(py::module_& m, const char* name, Tensor (*function)(const Tensor&, Dim, Dim, Dim),
                         const char* doc) {
  m.def(
      name,
      [name, function](const Tensor& x, const Integer& offset, const Integer& axis1, const Integer& axis2) {
        return function(x, offset.as<Dim>(name, "offset"), axis1.as<Dim>(name, "axis1"), axis2.as<Dim>(name, "axis2"));
      },
      py::arg("x"), py::arg("offset") = py::int_(0), py::arg("axis1") = py::int_(0), py::arg("axis2") = py::int_(1),
      documented(name, doc).c_str());
}

}  // namespace

void bind_fills(py::module_& m) {
  bind_constants(m);
  bind_by_offset(m, "tril", &tril, "Of the last two axes, what is on and below the k-th diagonal; 0 elsewhere.");
  bind_by_offset(m, "triu", &triu, "Of the last two axes, what is on and above the k-th diagonal; 0 elsewhere.");
  bind_by_offset(m, "diag", &diag, "The k-th diagonal of a matrix, or the matrix that has a vector there.");
  bind_along_diagonal(m, "diagonal", &diagonal, "The diagonal of two axes, as the last axis of what is left.");
  bind_along_diagonal(m, "trace", &trace, "The sum of the diagonal of two axes.");
}

}  // namespace backpass::python
