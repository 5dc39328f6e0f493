// How a block of a matrix product is computed: a function of shapes and strides, from measured constants.
#include <algorithm>

#include "kernels/isa.h"
#include "kernels/table.h"

namespace backpass::kernels {
namespace {

// Lines whose addresses agree in their low 12 bits share one set of a cache: with a stride that is a multiple of 2048
// bytes two sets hold them all.
template <class T>
bool conflicts(Size stride, Size multiple) {
  const Size bytes = stride * static_cast<Size>(sizeof(T));
  return bytes != 0 && bytes % multiple == 0;
}

Size ceil_to(Size size, Size unit) { return (size + unit - 1) / unit * unit; }

// How many parts each operand of a path is split into.
Size parts(MatmulPath path) {
  if (path == MatmulPath::split6) return 3;
  return path == MatmulPath::split3 ? 2 : 1;
}

}  // namespace

template <class T>
Size matmul_passes(const Kernels<T>& kernels, Size k) {
  return (ceil_to(k, kernels.vector) + kernels.kc - 1) / kernels.kc;
}

template <class T>
Size matmul_scratch(const Kernels<T>& kernels, MatmulPath path, Size m, Size n, Size k) {
  if (path == MatmulPath::dot || m <= 0 || k <= 0) return 0;
  if (path >= MatmulPath::split1) {
    const Size rows = ceil_to(std::min(m, kSplitRows), kTile), depth = ceil_to(std::min(k, kSplitDepth), 2 * kTile);
    const Size words = parts(path) * (kSplitPanel + rows * depth / 2);
    // Where the operands cannot be split, they are packed.
    return std::max(words, matmul_scratch(kernels, MatmulPath::pack_ab, m, n, k));
  }
  const Size panel = kernels.nr * kernels.kc;
  const Size rows = path == MatmulPath::pack_ab ? std::min(m, kernels.mc) : 0;
  return panel + rows * std::min(k, kernels.kc);
}

template <class T>
MatmulPath choose_matmul_path(const Kernels<T>& kernels, Size m, Size n, Size k, Size a_row, Size a_k, Size b_k,
                              Size b_col) {
  // Measured on Zen 3 with 6 x 16 tiles, float32, in GFLOP/s of about 100. Dot products against packed panels of B have
  // 84 and 86 at 32x784x128, but 71 and 95 at 128x128x64, 82 and 94 at 128x512x512 (sums across vectors cost too much
  // for short k, and rows of B do not stay near).
  const bool long_rows = k >= 16 * kernels.vector && k <= 2048;
  const bool narrow = m <= 4 * kernels.mr || n < kernels.nr;
  // Of rows shorter than a vector the sums across are all that is left.
  const bool few = (m <= kernels.mr && k >= kernels.vector) || n <= 2;
  if (a_k == 1 && b_k == 1 && (few || (long_rows && narrow))) return MatmulPath::dot;
  // A copy of B pays from about a dozen rows, and not where B stays near anyway: in place against packed 82 and 65 at
  // 128x32x256, 79 and 75 at 64x128x128, but 80 and 90 at 128x256x32, 80 and 89 at 128x512x512.
  const bool b_is_near = n * k <= 4 * kernels.nr * kernels.kc && 2 * k <= kernels.kc;
  if (b_col == 1 && (m <= 2 * kernels.mr || b_is_near)) return MatmulPath::in_place;
  // A copy of A pays where lines of its columns (of its rows, only far apart) fall on each other, and several panels of
  // B use it: with A transposed 66 and 87 at 2048x256x2048, 78 and 86 at 512x128x512, but 89 and 79 at 784x128x256, 86
  // and 73 at 256x256x256; else 76 and 83 at 256x2048x2048, but 94 and 81 at 128x512x512, 80 and 78 at 128x1024x1024.
  const bool a_conflicts = a_k == 1 ? conflicts<T>(a_row, 8192) : conflicts<T>(a_k, 2048);
  if (a_conflicts && k > kernels.kc / 4 && n > 4 * kernels.nr) return MatmulPath::pack_ab;
  return MatmulPath::pack_b;
}

template Size matmul_passes(const Kernels<float>&, Size);
template Size matmul_passes(const Kernels<double>&, Size);
template Size matmul_scratch(const Kernels<float>&, MatmulPath, Size, Size, Size);
template Size matmul_scratch(const Kernels<double>&, MatmulPath, Size, Size, Size);
template MatmulPath choose_matmul_path(const Kernels<float>&, Size, Size, Size, Size, Size, Size, Size);
template MatmulPath choose_matmul_path(const Kernels<double>&, Size, Size, Size, Size, Size, Size, Size);

}  // namespace backpass::kernels
