// One matrix product, compiled: what a training step runs, alone.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "arrays.h"
#include "base/aligned.h"
#include "plan/plan.h"

namespace backpass::python {

// Reads and writes arrays that stay where they are.
class MatrixProduct {
 public:
  // a (m, k) b (k, n), out (m, n); transpose_b: b (n, k); transpose_a: a (k, m). threads: 0 is the default.
  MatrixProduct(py::array a, py::array b, py::array out, bool transpose_a, bool transpose_b,
                const std::string& precision, int threads);
  // Several products in one call keep their workers at hand, as the steps of a fit do.
  void run(std::int64_t times);

 private:
  py::array arrays_[3];
  int threads_;
  std::unique_ptr<Plan> plan_;
  AlignedBuffer arena_;
  std::vector<std::byte*> slots_;
};

}  // namespace backpass::python
