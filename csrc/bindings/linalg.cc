// Linear algebra of dense matrices; python/backpass/linalg.py has the words.
#include "backpass/linalg.h"

#include <pybind11/stl.h>

#include "axes.h"
#include "bindings.h"

namespace backpass::python {

namespace py = pybind11;

void bind_linalg(py::module_& module) {
  module.def("cholesky", &linalg::cholesky, py::arg("a"));
  module.def(
      "triangular_solve",
      [](const Tensor& a, const Tensor& b, bool lower, bool transpose_a, bool unit_diagonal) {
        return linalg::triangular_solve(a, b, {lower, transpose_a, unit_diagonal});
      },
      py::arg("a"), py::arg("b"), py::arg("lower"), py::arg("transpose_a"), py::arg("unit_diagonal"));
  module.def("solve", &linalg::solve, py::arg("a"), py::arg("b"));
  module.def("inv", &linalg::inv, py::arg("a"));
  module.def("det", &linalg::det, py::arg("a"));
  module.def("slogdet", &linalg::slogdet, py::arg("a"));
  module.def("logdet", &linalg::logdet, py::arg("a"));
  module.def(
      "eigh",
      [](const Tensor& a) {
        const linalg::Eigen found = linalg::eigh(a);
        return std::pair(found.values, found.vectors);
      },
      py::arg("a"));
  module.def(
      "qr",
      [](const Tensor& a) {
        const linalg::QR parts = linalg::qr(a);
        return std::pair(parts.q, parts.r);
      },
      py::arg("a"));
  module.def(
      "matrix_power",
      [](const Tensor& a, const Integer& n) { return linalg::matrix_power(a, n.as<Dim>("matrix_power", "n")); },
      py::arg("a"), py::arg("n"));
  module.def("pinv", &linalg::pinv, py::arg("a"), py::arg("rtol"));
  module.def("lstsq", &linalg::lstsq, py::arg("a"), py::arg("b"), py::arg("rtol"));
}

}  // namespace backpass::python
