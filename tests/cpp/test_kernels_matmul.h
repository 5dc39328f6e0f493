// Matrix products: every path at sizes around the tiles, against sums in a wider type.
#pragma once

#include "kernel_testing.h"

namespace backpass::kernels::testing {

// The operand stored as rows x cols or transposed, with strides for both directions.
template <class T>
struct Operand {
  Matrix<T> values;
  Size row, col;
  Operand(Size rows, Size cols, bool transposed, Size gap, Numbers& numbers)
      : values(transposed ? cols : rows, transposed ? rows : cols, gap, numbers),
        row(transposed ? 1 : values.ld),
        col(transposed ? values.ld : 1) {}
  T operator()(Size i, Size j) { return values.data()[i * row + j * col]; }
};

// c holds the plain product of `block`: again with each epilogue, to the bit.
template <class T>
bool epilogue_holds(const Kernels<T>& kernels, MatmulBlock<T> block, Matrix<T>& c) {
  Numbers numbers{17};
  Matrix<T> plain(c.rows, c.cols, 0, numbers), out(c.rows, c.cols, 1, numbers), bias(1, c.cols, 0, numbers);
  const auto copy = [](Matrix<T>& to, Matrix<T>& from) {
    for (Size i = 0; i < to.rows; ++i) {
      for (Size j = 0; j < to.cols; ++j) to(i, j) = from(i, j);
    }
  };
  copy(plain, c);
  bool good = true;
  for (int which = 0; which < 6; ++which) {
    const bool relu = which % 3 == 1, masks = which % 3 == 2, adds = which >= 3;
    block.epilogue = {adds ? bias.data() : nullptr, relu, masks ? out.data() : nullptr, out.ld};
    kernels.matmul(block);
    for (Size i = 0; i < c.rows; ++i) {
      for (Size j = 0; j < c.cols; ++j) {
        T want = plain(i, j) + (adds ? bias(0, j) : static_cast<T>(0));
        if ((relu && !(want > 0)) || (masks && !(out(i, j) > 0))) want = 0;
        good = good && c(i, j) == want;
      }
    }
  }
  copy(c, plain);
  return good && c.gaps_intact();
}

// The largest error of one product on a path, in units of epsilon, where no sum is rounded.
inline double product_error(MatmulPath path) {
  if (path == MatmulPath::split1) return 0x1.01p16;  // both operands are off by 2^-8 at most
  return path == MatmulPath::split3 ? 0x1.01p8 : 4;  // left out: 2^-16 and twice 2^-17
}

template <class T>
void check_product(const Kernels<T>& kernels, MatmulPath path, Matrix<T>& c, Operand<T>& a, Operand<T>& b, Size k,
                   const std::string& label) {
  const Size scratch_size = matmul_scratch(kernels, path, c.rows, c.cols, k);
  // The scratch is aligned, so it cannot end at the page: a canary stands behind it.
  std::vector<T> buffer(static_cast<std::size_t>(scratch_size) + 64 / sizeof(T) + 8, static_cast<T>(55));
  T* scratch = buffer.data();
  while (reinterpret_cast<std::uintptr_t>(scratch) % 64 != 0) ++scratch;
  for (Size i = 0; i < c.rows; ++i) {
    for (Size j = 0; j < c.cols; ++j) c(i, j) = std::numeric_limits<T>::quiet_NaN();
  }
  MatmulBlock<T> block{c.data(),
                       c.ld,
                       a.values.data(),
                       a.row,
                       a.col,
                       b.values.data(),
                       b.row,
                       b.col,
                       c.rows,
                       c.cols,
                       k,
                       path,
                       scratch_size ? scratch : nullptr};
  // Passes may be packed in any order: the last one first.
  Numbers numbers{3};
  Matrix<T> packed(1, path == MatmulPath::packed_a ? c.rows * k : 0, 0, numbers);
  if (path == MatmulPath::packed_a) {
    for (Size pass = matmul_passes(kernels, k); pass-- > 0;)
      kernels.pack_a(packed.data(), block.a, a.row, a.col, c.rows, k, pass);
    block.a = packed.data();
  }
  kernels.matmul(block);
  bool good = c.gaps_intact();
  for (Size i = 0; i < c.rows; ++i) {
    for (Size j = 0; j < c.cols; ++j) {
      Wide<T> want = 0, magnitude = 0;
      for (Size p = 0; p < k; ++p) {
        const Wide<T> term = static_cast<Wide<T>>(a(i, p)) * static_cast<Wide<T>>(b(p, j));
        want += term;
        magnitude += std::fabs(term);
      }
      good = good &&
             close(c(i, j), want, (product_error(path) + std::sqrt(static_cast<double>(k))) * epsilon<T>() * magnitude);
    }
  }
  // What is fetched for the next block changes nothing.
  const std::vector<T> once(c.data(), c.data() + c.values.size());
  const NextOperands<T> next{block.a, block.b};
  block.next = &next;
  kernels.matmul(block);
  good = good && std::equal(once.begin(), once.end(), c.data());
  for (int i = 0; i < 8; ++i) good = good && scratch[scratch_size + i] == static_cast<T>(55);
  good = good && epilogue_holds(kernels, block, c);
  check(good, label + "matmul path " + std::to_string(static_cast<int>(path)) + " m " + std::to_string(c.rows) + " n " +
                  std::to_string(c.cols) + " k " + std::to_string(k));
}

template <class T>
void test_product(const Kernels<T>& kernels, Size m, Size n, Size k, const std::string& label) {
  Numbers numbers{static_cast<std::uint64_t>(m * 1000003 + n * 1009 + k)};
  for (int storage = 0; storage < 4; ++storage) {
    const bool a_transposed = storage & 1, b_transposed = storage & 2;
    const Size gap = (m + n + k + storage) % 3;
    Matrix<T> c(m, n, gap, numbers);
    Operand<T> a(m, k, a_transposed, gap, numbers), b(k, n, b_transposed, 2 - gap, numbers);
    if (!a_transposed && b_transposed) check_product(kernels, MatmulPath::dot, c, a, b, k, label);
    if (!b_transposed) check_product(kernels, MatmulPath::in_place, c, a, b, k, label);
    check_product(kernels, MatmulPath::pack_b, c, a, b, k, label);
    check_product(kernels, MatmulPath::pack_ab, c, a, b, k, label);
    if (m > 0) check_product(kernels, MatmulPath::packed_a, c, a, b, k, label);
    if (kernels.tiles) {
      for (MatmulPath path : {MatmulPath::split1, MatmulPath::split3, MatmulPath::split6})
        check_product(kernels, path, c, a, b, k, label);
    }
    const MatmulPath chosen = choose_matmul_path(kernels, m, n, k, a.row, a.col, b.row, b.col);
    const bool possible = chosen == MatmulPath::dot        ? a.col == 1 && b.row == 1
                          : chosen == MatmulPath::in_place ? b.col == 1
                                                           : true;
    check(possible, label + "chosen path");
  }
}

template <class T>
void test_matmul(const Kernels<T>& kernels, const std::string& label) {
  const Size v = kernels.vector, mr = kernels.mr, nr = kernels.nr, kc = kernels.kc;
  const Size rows[] = {0, 1, 2, 3, mr - 1, mr, mr + 1, 2 * mr + 1, 37};
  const Size cols[] = {0, 1, 3, v - 1, v, v + 1, nr - 1, nr, nr + 1, 2 * nr + 3, 8 * v + 5};
  const Size depths[] = {0, 1, 2, v + 1, 19};
  for (Size m : rows) {
    for (Size n : cols) {
      for (Size k : depths) test_product(kernels, m, n, k, label);
    }
  }
  for (Size k : {kc - 1, kc, kc + 1, 2 * kc + 3}) {
    test_product(kernels, mr + 1, nr + v + 1, k, label);
    test_product(kernels, 1, 3, k, label);
    test_product(kernels, 2 * mr, 1, k, label);
  }
  test_product(kernels, 771, 5, 3, label);
}

}  // namespace backpass::kernels::testing
