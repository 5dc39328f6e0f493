// How a block of a matrix product is computed: a function of shapes and strides, from measured constants.
#include <algorithm>

#include "kernels/isa.h"
#include "kernels/table.h"

namespace backpass::kernels {
namespace {

// Rows whose addresses agree in their low 12 bits share one set of a cache: strides that are multiples of 2048 bytes
// keep four lines or fewer apart.
template <class T>
bool conflicts(Size stride) {
  const Size bytes = stride * static_cast<Size>(sizeof(T));
  return bytes != 0 && bytes % 2048 == 0;
}

}  // namespace

template <class T>
Size matmul_scratch(const Kernels<T>& kernels, MatmulPath path, Size m, Size, Size k) {
  if (path == MatmulPath::dot || m <= 0 || k <= 0) return 0;
  const Size panel = kernels.nr * kernels.kc;
  const Size rows = path == MatmulPath::pack_ab ? std::min(m, kBlockRows) : 0;
  return panel + rows * std::min(k, kernels.kc);
}

template <class T>
MatmulPath choose_matmul_path(const Kernels<T>& kernels, Size m, Size n, Size k, Size a_row, Size a_k, Size b_k,
                              Size b_col) {
  // Measured on Zen 3 with 6 x 16 tiles, float32, in GFLOP/s of about 100, on a shared machine: dot products against
  // packed panels have 89 and 82 at 32x784x256, 65 and 57 at 50x1024x50, 51 and 45 at 256x2048x10, but 56 and 90 at
  // 64x64x64 (their sums across vectors cost too much for short k) and 65 and 79 at 32x8192x32 (rows of B no longer
  // stay near).
  const bool long_rows = k >= 16 * kernels.vector && k <= 2048;
  const bool narrow = m <= 8 * kernels.mr || n < kernels.nr;
  if (a_k == 1 && b_k == 1 && (m <= kernels.mr || n <= 2 || (long_rows && narrow))) return MatmulPath::dot;
  // A copy of B pays from about a dozen rows, and not where B is in L1 anyway: 95 in place, 94 packed at 128x64x64; 50
  // and 35 at 10x128x512; 62 and 87 at 512x512x512.
  if (b_col == 1 && (m <= 2 * kernels.mr || n * k <= kernels.nr * kernels.kc)) return MatmulPath::in_place;
  // A copy of A pays where it lies across k, or far apart, and several panels use it: 87 and 35 at 512x512x512 with A
  // transposed; 74 and 91 at 128x64x64.
  const bool a_strided = a_k != 1 || (conflicts<T>(a_row) && k > kernels.kc / 4);
  if (a_strided && n > 4 * kernels.nr) return MatmulPath::pack_ab;
  return MatmulPath::pack_b;
}

template Size matmul_scratch(const Kernels<float>&, MatmulPath, Size, Size, Size);
template Size matmul_scratch(const Kernels<double>&, MatmulPath, Size, Size, Size);
template MatmulPath choose_matmul_path(const Kernels<float>&, Size, Size, Size, Size, Size, Size, Size);
template MatmulPath choose_matmul_path(const Kernels<double>&, Size, Size, Size, Size, Size, Size, Size);

}  // namespace backpass::kernels
