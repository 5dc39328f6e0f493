// Functions of tensors: matrix products, and what einsum makes of them.
#include "backpass/products.h"

#include <pybind11/stl.h>

#include "arrays.h"
#include "bindings.h"
#include "integer.h"

namespace backpass::python {
namespace {

// An Integer takes anything: it comes last.
using SummedAxes = std::variant<std::vector<Integer>, Integer>;

std::vector<Dim> summed_axes(const SummedAxes& axes) {
  std::vector<Dim> result;
  if (const auto* one = std::get_if<Integer>(&axes)) return {one->as<Dim>("tensordot", "axes")};
  for (const Integer& axis : std::get<std::vector<Integer>>(axes)) result.push_back(axis.as<Dim>("tensordot", "axes"));
  return result;
}

Tensor einsum_of(const std::string& subscripts, const py::args& operands, const std::string& precision) {
  std::vector<Tensor> tensors;
  for (const py::handle operand : operands) {
    if (!py::isinstance<Tensor>(operand))
      throw py::type_error("[einsum] operands must be tensors, got " +
                           py::str(py::type::handle_of(operand).attr("__name__")).cast<std::string>() +
                           "; an array takes part as bp.constant(array)");
    tensors.push_back(operand.cast<Tensor>());
  }
  return einsum(subscripts, tensors, parse_precision(precision));
}

}  // namespace

void bind_products(py::module_& m) {
  const auto binary = [&m](const char* name, Tensor (*function)(const Tensor&, const Tensor&), const char* doc) {
    m.def(name, function, py::arg("a"), py::arg("b"), documented(name, doc).c_str());
  };
  m.def(
      "matmul",
      [](const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b, const std::string& precision) {
        return matmul(a, b, transpose_a, transpose_b, parse_precision(precision));
      },
      py::arg("a"), py::arg("b"), py::arg("transpose_a") = false, py::arg("transpose_b") = false,
      py::arg("precision") = "highest",
      documented(
          "matmul",
          "a (..., m, k) times b (..., k, n) is (..., m, n), with leading dimensions that broadcast, as in NumPy; a\n"
          "vector is a matrix of one row or column, which the result drops. `transpose_a` and `transpose_b` take the\n"
          "last two dimensions the other way round; `precision` is \"highest\", \"high\" or \"medium\".")
          .c_str());
  binary(
      "dot", &dot,
      "Of vectors the sum of a * b; of a (..., k) and b (..., k, n) the sum over k, of shape (a's ..., b's ..., n).");
  binary("vdot", &vdot, "The sum of a * b over all elements, of which both have as many.");
  binary("inner", &inner, "The sum over the last axes of a (..., k) and b (..., k), of shape (a's ..., b's ...).");
  binary("outer", &outer, "y[i, j] = a[i] * b[j], with the elements of a and of b in one row each.");
  binary("kron", &kron, "Kronecker's product: blocks a[i, ...] * b, for tensors of one rank, four at most.");
  m.def(
      "tensordot",
      [](const Tensor& a, const Tensor& b, const std::variant<std::pair<SummedAxes, SummedAxes>, Integer>& axes) {
        if (const auto* count = std::get_if<Integer>(&axes))
          return tensordot(a, b, count->as<Dim>("tensordot", "axes"));
        const auto& [of_a, of_b] = std::get<std::pair<SummedAxes, SummedAxes>>(axes);
        return tensordot(a, b, summed_axes(of_a), summed_axes(of_b));
      },
      py::arg("a"), py::arg("b"), py::arg("axes") = py::int_(2),
      documented(
          "tensordot",
          "The sum over the last `axes` of a and the first of b, or over pairs of axes, those of a and those of\n"
          "b: ([0, 2], [1, 0]). The axes that are left of a come first.")
          .c_str());
  m.def(
      "einsum", &einsum_of, py::arg("subscripts"), py::kw_only(), py::arg("precision") = "highest",
      documented(
          "einsum",
          "Einstein's summation: \"bik,bkj->bij\" names the axes of each operand. A letter that the output lacks is\n"
          "summed over; one that an operand has twice takes its diagonal; without \"->\" the output has the letters\n"
          "that stand once, in alphabetical order; \"...\" are axes that broadcast. Pairs are multiplied in an order\n"
          "that keeps results small. Letters and shapes that do not fit are a ValueError.")
          .c_str());
}

}  // namespace backpass::python
