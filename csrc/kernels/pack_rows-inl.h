// Copies of rows of A in panels of a tile's rows; compiled per instruction set.
#pragma once

#include "kernels/pack-inl.h"
#include "kernels/parts-inl.h"

namespace backpass::kernels {
namespace {

// Row p of every panel, from m floats side by side. Whole vectors: what they write too much, row p + 1 overwrites.
template <class T>
void pack_row_of_panels(T* out, const Parts& rows, const T* from, Size p, Size k) noexcept {
  constexpr Size lanes = Vec<T>::kLanes;
  for (Size part = 0; part < rows.count; ++part) {
    const Size m = rows[part];
    for (Size i = 0; i < m; i += lanes) store(out + p * m + i, load(from + i));
    from += m;
    out += m * k;
  }
}

// The same without a trace beyond it.
template <class T>
void pack_last_rows_of_panels(T* out, const Parts& rows, const T* from, Size p, Size k) noexcept {
  for (Size part = 0; part < rows.count; ++part) {
    const Size m = rows[part];
    copy_short(out + p * m, from, m);
    from += m;
    out += m * k;
  }
}

// A panel of at most a vector's rows that lie along k. Whole vectors but at the end: what they write too much, the next
// column overwrites.
template <class T>
void pack_rows_of_panel(T* out, Size m, const T* a, Size a_row, Size k) noexcept {
  constexpr Size lanes = Vec<T>::kLanes;
  Size p = 0;
  for (Vec<T> square[lanes]; m <= lanes && p + 2 * lanes <= k; p += lanes) {
    load_square<T>(square, a + p, a_row, m, lanes);
    transpose(square);
    for (Size j = 0; j < lanes; ++j) store(out + (p + j) * m, square[j]);
  }
  pack_panel(out + p * m, m, a + p, 1, a_row, m, k - p);
}

// The rows of one block in panels of `rows`; panel after panel where A lies along k, else all panels row by row of k,
// so that A is read in the order it lies in.
template <class T>
void pack_rows(T* out, const Parts& rows, const T* a, Size a_row, Size a_k, Size k) noexcept {
  if (a_row == 1) {
    // Vectors may reach lanes - 1 elements beyond their row, in A and in a panel: not in the rows that come last.
    const Size step = a_k < rows.base ? a_k : rows.base, last = Vec<T>::kLanes / step + 1;
    Size p = 0;
    for (; p + last < k; ++p) pack_row_of_panels(out, rows, a + p * a_k, p, k);
    for (; p < k; ++p) pack_last_rows_of_panels(out, rows, a + p * a_k, p, k);
    return;
  }
  for (Size part = 0; part < rows.count; ++part) {
    const Size m = rows[part];
    if (a_k == 1)
      pack_rows_of_panel(out, m, a, a_row, k);
    else
      pack_panel(out, m, a, a_k, a_row, m, k);
    a += m * a_row;
    out += m * k;
  }
}

}  // namespace
}  // namespace backpass::kernels
