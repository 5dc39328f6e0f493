// Copies of matrix panels with lanes side by side, and blocked transposition; compiled per instruction set.
#pragma once

#include "kernels/table.h"

namespace backpass::kernels {
namespace {

// A square of vectors, from rows `lda` apart: rows (at most kLanes) of cols (at most kLanes), the rest zero.
template <class T>
inline void load_square(Vec<T> (&square)[Vec<T>::kLanes], const T* a, Size lda, Size rows, Size cols) {
  constexpr Size lanes = Vec<T>::kLanes;
  for (Size i = 0; i < lanes; ++i) {
    if (i < rows)
      square[i] = cols == lanes ? load(a + i * lda) : load_n(a + i * lda, cols);
    else
      square[i] = broadcast(static_cast<T>(0));
  }
}

// out (cols, rows) = transpose of a (rows, cols), for rows up to kLanes; `width` columns of out are written, zeros
// beyond.
template <class T>
inline void transpose_strip(T* out, Size ldo, Size width, const T* a, Size lda, Size rows, Size cols) {
  constexpr Size lanes = Vec<T>::kLanes;
  Vec<T> square[lanes];
  Size j = 0;
  if (rows == lanes) {
    for (; j + lanes <= cols; j += lanes) {
      for (Size i = 0; i < lanes; ++i) square[i] = load(a + i * lda + j);
      transpose(square);
      for (Size i = 0; i < lanes; ++i) store(out + (j + i) * ldo, square[i]);
    }
  }
  for (; j < cols; j += lanes) {
    const Size count = lanes < cols - j ? lanes : cols - j;
    load_square<T>(square, a + j, lda, rows, count);
    transpose(square);
    for (Size i = 0; i < count; ++i) {
      if (width == lanes)
        store(out + (j + i) * ldo, square[i]);
      else
        store_n(out + (j + i) * ldo, square[i], width);
    }
  }
}

template <class T>
inline void copy_short(T* out, const T* a, Size n) {
  constexpr Size lanes = Vec<T>::kLanes;
  for (; n >= lanes; n -= lanes, a += lanes, out += lanes) store(out, load(a));
  store_n(out, load_n(a, n), n);
}

// Whole rows of a panel of full width that lies by rows: every cache line is read once.
template <class T>
void copy_panel(T* out, const T* x, Size x_k, Size k) noexcept {
  constexpr Size lanes = Vec<T>::kLanes, vectors = Blocks<T>::kVectors;
  for (Size p = 0; p < k; ++p, x += x_k, out += vectors * lanes) {
    Vec<T> row[vectors];
#pragma GCC unroll 8
    for (Size j = 0; j < vectors; ++j) row[j] = load(x + j * lanes);
#pragma GCC unroll 8
    for (Size j = 0; j < vectors; ++j) store(out + j * lanes, row[j]);
  }
}

// out (k, width) = x (k, columns), zeros beyond; x(p, j) = x[p * x_k + j * x_col].
template <class T>
void pack_panel(T* out, Size width, const T* x, Size x_k, Size x_col, Size columns, Size k) noexcept {
  constexpr Size lanes = Vec<T>::kLanes;
  if (x_col == 1 && columns == Blocks<T>::kVectors * lanes) return copy_panel(out, x, x_k, k);
  for (Size j = 0; j < width; j += lanes) {
    const Size wanted = lanes < width - j ? lanes : width - j, have = columns - j < wanted ? columns - j : wanted;
    const T* from = x + j * x_col;
    T* to = out + j;
    if (x_k == 1) {
      transpose_strip(to, width, wanted, from, x_col, have, k);
    } else if (x_col == 1 && have == lanes) {
      for (Size p = 0; p < k; ++p) store(to + p * width, load(from + p * x_k));
    } else if (x_col == 1 && wanted == lanes) {
      for (Size p = 0; p < k; ++p) store(to + p * width, load_n(from + p * x_k, have));
    } else if (x_col == 1) {
      for (Size p = 0; p < k; ++p) store_n(to + p * width, load_n(from + p * x_k, have), wanted);
    } else {
      for (Size p = 0; p < k; ++p) {
        for (Size i = 0; i < wanted; ++i) to[p * width + i] = i < have ? from[p * x_k + i * x_col] : 0;
      }
    }
  }
}

// Strips of kLanes rows; within them, columns in blocks whose lines stay in L1 until every strip has used them.
template <class T>
void transpose_kernel(T* out, Size ldo, const T* a, Size lda, Size rows, Size cols) noexcept {
  constexpr Size lanes = Vec<T>::kLanes, block = 64;
  for (Size j = 0; j < cols; j += block) {
    const Size width = block < cols - j ? block : cols - j;
    for (Size i = 0; i < rows; i += lanes) {
      const Size height = lanes < rows - i ? lanes : rows - i;
      transpose_strip(out + j * ldo + i, ldo, height, a + i * lda + j, lda, height, width);
    }
  }
}

}  // namespace
}  // namespace backpass::kernels
