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
  const bool dots = a_k == 1 && b_k == 1;
  if (dots && (m <= kernels.mr || n <= 2)) return MatmulPath::dot;
  if (b_col == 1 && m <= 2 * kernels.mr) return MatmulPath::in_place;
  const bool a_strided = a_k != 1 || (conflicts<T>(a_row) && k > kernels.kc / 4);
  if (a_strided && n > 4 * kernels.nr) return MatmulPath::pack_ab;
  return MatmulPath::pack_b;
}

template Size matmul_scratch(const Kernels<float>&, MatmulPath, Size, Size, Size);
template Size matmul_scratch(const Kernels<double>&, MatmulPath, Size, Size, Size);
template MatmulPath choose_matmul_path(const Kernels<float>&, Size, Size, Size, Size, Size, Size, Size);
template MatmulPath choose_matmul_path(const Kernels<double>&, Size, Size, Size, Size, Size, Size, Size);

}  // namespace backpass::kernels
