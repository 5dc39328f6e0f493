// One matrix product, compiled: what a training step runs, alone.
#pragma once

#include <backpass/types.h>

#include <memory>
#include <vector>

#include "base/aligned.h"
#include "plan/plan.h"

namespace backpass::bench {

// Reads and writes dense arrays that stay where they are.
class MatrixProduct {
 public:
  // a (m, k) b (k, n), out (m, n); transpose_b: b (n, k); transpose_a: a (k, m); or many of them behind leading
  // dimensions. threads: 0 is the default.
  MatrixProduct(const ArrayView& a, const ArrayView& b, void* out, DType dtype, bool transpose_a, bool transpose_b,
                Precision precision, int threads);
  const Shape& shape() const { return shape_; }  // of out
  // Several products in one call keep their workers at hand, as the steps of a fit do.
  void run(std::int64_t times);

 private:
  Shape shape_;
  int threads_;
  std::unique_ptr<Plan> plan_;
  AlignedBuffer arena_;
  std::vector<std::byte*> slots_;
};

}  // namespace backpass::bench
