// Linear algebra of dense matrices; python/backpass/linalg.py has the words.
#include "backpass/linalg.h"

#include <pybind11/stl.h>

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
}

}  // namespace backpass::python
