// Softmax, reductions and copies by rows and columns; compiled per instruction set.
#pragma once

#include "kernels/math-inl.h"

namespace backpass::kernels {
namespace {

// The greatest of a row, -inf where empty; not a number where any is, if kStrict.
template <bool kStrict, class T>
inline T greatest(const T* a, Size n) {
  constexpr Size lanes = Vec<T>::kLanes;
  const Vec<T> zero = broadcast(static_cast<T>(0)), lowest = broadcast(static_cast<T>(-__builtin_inf()));
  Vec<T> most = lowest, poison = zero;
  Size j = 0;
  for (; j + lanes <= n; j += lanes) {
    const Vec<T> x = load(a + j);
    most = max(x, most);
    if (kStrict) poison = select(equal(x, x), poison, x);
  }
  T result = max_lane(most);
  for (; j < n; ++j) {
    result = a[j] > result ? a[j] : result;
    if (kStrict && !(a[j] == a[j])) return a[j];
  }
  if (kStrict) {
    const T check = sum(poison);
    if (!(check == check)) return check;
  }
  return result;
}

template <class T>
struct ExpSums {
  T all, below;  // of all; of those below the shift, if kBelow
};

// shifted = x - shift and y = exp(x - shift), where they are not null; returns the sums of y.
template <bool kBelow, class T>
inline ExpSums<T> exp_row(T* y, T* shifted, const T* x, T shift, Size n) {
  constexpr Size lanes = Vec<T>::kLanes;
  const Vec<T> offset = broadcast(shift), zero = broadcast(static_cast<T>(0));
  Vec<T> total = zero, below = zero;
  Size j = 0;
  for (; j + lanes <= n; j += lanes) {
    const Vec<T> d = load(x + j) - offset, e = exp(d);
    if (shifted) store(shifted + j, d);
    if (y) store(y + j, e);
    total = total + e;
    if (kBelow) below = below + select(less(d, zero), e, zero);
  }
  if (const Size rest = n - j; rest > 0) {
    // What lies beyond the row must add nothing: it is stored and read back, which fills up with zeros.
    T edge[lanes];
    const Vec<T> d = load_n(x + j, rest) - offset, e = exp(d);
    store(edge, e);
    const Vec<T> inside = load_n(edge, rest);
    total = total + inside;
    if (kBelow) below = below + select(less(d, zero), inside, zero);
    if (shifted) store_n(shifted + j, d, rest);
    if (y) store_n(y + j, e, rest);
  }
  return {sum(total), kBelow ? sum(below) : 0};
}

// y *= factor; returns, if kBelow, the sum of what was below 1.
template <bool kBelow, class T>
inline T scale_row(T* y, T factor, Size n) {
  constexpr Size lanes = Vec<T>::kLanes;
  const Vec<T> f = broadcast(factor), zero = broadcast(static_cast<T>(0)), one = broadcast(static_cast<T>(1));
  Vec<T> below = zero;
  Size j = 0;
  for (; j + lanes <= n; j += lanes) {
    const Vec<T> e = load(y + j);
    if (kBelow) below = below + select(less(e, one), e, zero);
    store(y + j, e * f);
  }
  if (const Size rest = n - j; rest > 0) {
    const Vec<T> e = load_n(y + j, rest);
    if (kBelow) below = below + select(less(e, one), e, zero);
    store_n(y + j, e * f, rest);
  }
  return kBelow ? sum(below) : 0;
}

// The logarithm of the sum of all: where it is below 2, one element alone is the greatest and counts 1.
template <class V>
inline V log_of_sums(V all, V below) {
  using T = typename V::Element;
  const V one = broadcast(static_cast<T>(1)), two = broadcast(static_cast<T>(2)), far = log(all);
  return select(less(all, two), select(less(all, one), far, log1p_unit(below)), far);
}

// Rows in groups of a vector, so that the group's logarithms are taken together. A row without a finite greatest
// element is not shifted: infinities then give the limits that exist, and not a number elsewhere.
template <class T>
void softmax(T* y, Size ldy, T* lse, T* shifted, Size lds, const T* x, Size ldx, Size rows, Size cols) noexcept {
  constexpr Size lanes = Vec<T>::kLanes;
  for (Size i = 0; i < rows; i += lanes) {
    const Size count = lanes < rows - i ? lanes : rows - i;
    T shifts[lanes] = {}, all[lanes] = {}, below[lanes] = {};
    for (Size r = 0; r < count; ++r) {
      const T* row = x + (i + r) * ldx;
      const T most = greatest<false>(row, cols), shift = most - most == 0 ? most : 0;
      T *out = y ? y + (i + r) * ldy : nullptr, *moved = shifted ? shifted + (i + r) * lds : nullptr;
      ExpSums<T> sums = y ? exp_row<false>(out, moved, row, shift, cols) : exp_row<true>(out, moved, row, shift, cols);
      if (y && lse && sums.all < 2)
        sums.below = scale_row<true>(out, 1 / sums.all, cols);
      else if (y)
        scale_row<false>(out, 1 / sums.all, cols);
      shifts[r] = shifted ? 0 : shift;
      all[r] = sums.all;
      below[r] = sums.below;
    }
    if (!lse) continue;
    const Vec<T> result = load(shifts) + log_of_sums(load(all), load(below));
    if (count == lanes)
      store(lse + i, result);
    else
      store_n(lse + i, result, count);
  }
}

template <class T>
inline T sum_row(const T* a, Size n) {
  constexpr Size lanes = Vec<T>::kLanes;
  const Vec<T> zero = broadcast(static_cast<T>(0));
  Vec<T> sums[4] = {zero, zero, zero, zero};
  Size j = 0;
  for (; j + 4 * lanes <= n; j += 4 * lanes) {
    for (int u = 0; u < 4; ++u) sums[u] = sums[u] + load(a + j + u * lanes);
  }
  for (; j + lanes <= n; j += lanes) sums[0] = sums[0] + load(a + j);
  if (n > j) sums[1] = sums[1] + load_n(a + j, n - j);
  return sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

template <class T>
void row_sum(T* out, const T* a, Size lda, Size rows, Size cols) noexcept {
  for (Size i = 0; i < rows; ++i) out[i] = sum_row(a + i * lda, cols);
}

template <class T>
void row_max(T* out, const T* a, Size lda, Size rows, Size cols) noexcept {
  for (Size i = 0; i < rows; ++i) out[i] = greatest<true>(a + i * lda, cols);
}

// Adds up one vector of columns over at most 32 rows; what follows is in double. Where `shifted`, what is added up is
// the difference from the first row, which is exact where all rows are the same.
template <bool shifted, class T>
inline void column_strip(double* partial, const T* a, Size lda, Size rows, Size cols) {
  constexpr Size lanes = Vec<T>::kLanes, kRun = 32;
  double total[lanes] = {};
  const auto row = [&](Size r) { return cols == lanes ? load(a + r * lda) : load_n(a + r * lda, cols); };
  const Vec<T> first = shifted && rows > 0 ? row(0) : broadcast(static_cast<T>(0));
  for (Size i = 0; i < rows; i += kRun) {
    const Size end = kRun < rows - i ? i + kRun : rows;
    Vec<T> even = broadcast(static_cast<T>(0)), odd = even;
    const auto at = [&](Size r) { return shifted ? row(r) - first : row(r); };
    Size r = i;
    for (; r + 2 <= end; r += 2) even = even + at(r), odd = odd + at(r + 1);
    if (r < end) even = even + at(r);
    T run[lanes];
    store(run, even + odd);
    for (Size j = 0; j < lanes; ++j) total[j] += static_cast<double>(run[j]);
  }
  const double count = static_cast<double>(rows);
  for (Size j = 0; j < cols; ++j)
    partial[j] = shifted && rows > 0 ? total[j] + count * static_cast<double>(a[j]) : total[j];
}

template <bool shifted, class T>
void column_sum(double* partial, const T* a, Size lda, Size rows, Size cols) noexcept {
  constexpr Size lanes = Vec<T>::kLanes;
  for (Size j = 0; j < cols; j += lanes) {
    column_strip<shifted>(partial + j, a + j, lda, rows, lanes < cols - j ? lanes : cols - j);
  }
}

template <class T>
double total(const T* a, Size lda, Size rows, Size cols) noexcept {
  constexpr Size kRun = 32 * Vec<T>::kLanes;
  if (lda == cols) cols *= rows, rows = rows > 0;
  double result = 0;
  for (Size i = 0; i < rows; ++i) {
    for (Size j = 0; j < cols; j += kRun) {
      result += static_cast<double>(sum_row(a + i * lda + j, kRun < cols - j ? kRun : cols - j));
    }
  }
  return result;
}

template <class T>
inline void copy_row(T* out, const T* a, Size n) {
  constexpr Size lanes = Vec<T>::kLanes;
  Size j = 0;
  for (; j + lanes <= n; j += lanes) store(out + j, load(a + j));
  if (n > j) store_n(out + j, load_n(a + j, n - j), n - j);
}

template <class T>
inline void fill_row(T* out, T value, Size n) {
  constexpr Size lanes = Vec<T>::kLanes;
  const Vec<T> v = broadcast(value);
  Size j = 0;
  for (; j + lanes <= n; j += lanes) store(out + j, v);
  if (n > j) store_n(out + j, v, n - j);
}

template <class T>
void broadcast_column(T* out, Size ldo, const T* a, Size rows, Size cols) noexcept {
  for (Size i = 0; i < rows; ++i) fill_row(out + i * ldo, a[i], cols);
}

template <class T>
void fill(T* out, Size ldo, T value, Size rows, Size cols) noexcept {
  if (ldo == cols) cols *= rows, rows = rows > 0;
  for (Size i = 0; i < rows; ++i) fill_row(out + i * ldo, value, cols);
}

// A label that names no column gives nan: graphs of the user's own may be fed anything.
template <class T>
void take_label(T* out, const T* a, Size lda, const std::int32_t* labels, Size rows, Size cols) noexcept {
  for (Size i = 0; i < rows; ++i)
    out[i] = labels[i] >= 0 && labels[i] < cols ? a[i * lda + labels[i]] : static_cast<T>(__builtin_nan(""));
}

template <class T>
void put_label(T* out, Size ldo, const T* value, const std::int32_t* labels, Size rows, Size cols) noexcept {
  fill(out, ldo, static_cast<T>(0), rows, cols);
  for (Size i = 0; i < rows; ++i)
    if (labels[i] >= 0 && labels[i] < cols) out[i * ldo + labels[i]] = value[i];
}

template <class T>
void gather_rows(T* out, const T* source, Size ld_source, const std::int64_t* index, Size rows, Size cols) noexcept {
  for (Size i = 0; i < rows; ++i) copy_row(out + i * cols, source + index[i] * ld_source, cols);
}

}  // namespace
}  // namespace backpass::kernels
