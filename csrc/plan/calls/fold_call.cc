// The greatest or the product of elements along axes, in chunks that are put together in order.
#include <algorithm>
#include <limits>
#include <sstream>

#include "base/sizes.h"
#include "plan/calls/calls.h"

namespace backpass {
namespace {

constexpr Dim kFoldElements = 16384, kFoldCols = 512;  // per task; of a block

Dim fold_rows(const AxisSpec& s) { return std::max<Dim>(1, kFoldElements / std::clamp<Dim>(s.inner, 1, kFoldCols)); }
Dim fold_chunks(const AxisSpec& s) { return std::max<Dim>(1, ceil_div(s.reduced, fold_rows(s))); }

// Short lines go together: a task takes some (outer), or a chunk of rows of a block of columns of one.
template <class T>
class FoldCall final : public Call {
 public:
  FoldCall(const kernels::Kernels<T>& k, const AxisSpec& spec)
      : k_(k), s_(spec), chunks_(fold_chunks(spec)), blocks_(std::max<Dim>(1, ceil_div(spec.inner, kFoldCols))) {
    name = is_max() ? "max" : "prod";
    std::ostringstream text;
    if (s_.outer != 1) text << s_.outer << " x ";
    text << '(' << s_.reduced << ", " << s_.inner << ')';
    detail = text.str();
    const bool whole = chunks_ == 1 && blocks_ == 1;
    outers_ = whole ? std::max<Dim>(1, kFoldElements / std::max<Dim>(1, s_.reduced * s_.inner)) : 1;
    tasks = std::max<Dim>(1, ceil_div(s_.outer, outers_) * chunks_ * blocks_);
    finishes = chunks_ > 1;
    reads = {s_.a};
    writes = {s_.out, s_.partials};
    flops = static_cast<double>(s_.outer * s_.reduced * s_.inner);
    bytes = flops * sizeof(T);
    cost = kNanosecondsPerCall * static_cast<double>(tasks) + bytes / kBytesPerNanosecond;
  }

  void run(const Context& context, Dim task, std::byte*) const noexcept override {
    const Dim chunk = task % chunks_, block = task / chunks_ % blocks_, first = task / chunks_ / blocks_ * outers_;
    const Dim col = block * kFoldCols, row = chunk * fold_rows(s_);
    const Dim rows = std::min(fold_rows(s_), s_.reduced - row), cols = std::min(kFoldCols, s_.inner - col);
    for (Dim outer = first; outer < std::min(s_.outer, first + outers_); ++outer) {
      const T* a = reinterpret_cast<const T*>(context.address[s_.a]) + (outer * s_.reduced + row) * s_.inner + col;
      fold(slot(context, outer, chunk) + col, a, rows, cols);
    }
  }

  void finish(const Context& context) const noexcept override {
    T* out = reinterpret_cast<T*>(context.address[s_.out]);
    for (Dim outer = 0; outer < s_.outer; ++outer) {
      std::copy_n(slot(context, outer, 0), s_.inner, out + outer * s_.inner);
      apply(out + outer * s_.inner, slot(context, outer, 1), s_.inner, chunks_ - 1, s_.inner);
    }
  }

 private:
  bool is_max() const { return s_.fn == Elementwise::maximum; }

  // Of one chunk: its own place in the result.
  T* slot(const Context& context, Dim outer, Dim chunk) const noexcept {
    return reinterpret_cast<T*>(context.address[chunks_ > 1 ? s_.partials : s_.out]) +
           (outer * chunks_ + chunk) * s_.inner;
  }

  // out (cols) = fn(out, each row of a).
  void apply(T* out, const T* a, Dim lda, Dim rows, Dim cols) const noexcept {
    k_.elementwise[static_cast<std::size_t>(s_.fn)](out, 0, out, 0, a, lda, T(0), rows, cols);
  }

  void fold(T* out, const T* a, Dim rows, Dim cols) const noexcept {
    if (s_.inner == 1) {
      *out = is_max() ? greatest(a, rows) : product(a, rows);
      return;
    }
    std::fill_n(out, std::max<Dim>(cols, 0), is_max() ? -std::numeric_limits<T>::infinity() : T(1));
    apply(out, a, s_.inner, rows, cols);
  }

  T greatest(const T* a, Dim n) const noexcept {
    T result;
    k_.row_max(&result, a, n, 1, n);
    return result;
  }

  // As rows of so many elements, then those in order.
  T product(const T* a, Dim n) const noexcept {
    constexpr Dim kWidth = 32;
    T result = 1;
    const Dim rows = n / kWidth;
    if (rows > 1) {
      T side_by_side[kWidth];
      std::copy_n(a, kWidth, side_by_side);
      apply(side_by_side, a + kWidth, kWidth, rows - 1, kWidth);
      for (const T factor : side_by_side) result *= factor;
    }
    for (Dim i = rows > 1 ? rows * kWidth : 0; i < n; ++i) result *= a[i];
    return result;
  }

  const kernels::Kernels<T>& k_;
  AxisSpec s_;
  Dim chunks_, blocks_, outers_ = 1;
};

// Two passes over a row: the greatest, then the first that equals it, or is not a number.
template <class T>
class ArgmaxCall final : public Call {
 public:
  ArgmaxCall(const kernels::Kernels<T>& k, const AxisSpec& spec)
      : k_(k), s_(spec), lines_(std::max<Dim>(1, kFoldElements / std::max<Dim>(1, spec.reduced))) {
    name = "argmax";
    std::ostringstream text;
    text << s_.outer << " x (" << s_.reduced << ", " << s_.inner << ')';
    detail = text.str();
    tasks = std::max<Dim>(1, ceil_div(s_.outer * s_.inner, lines_));
    reads = {s_.a};
    writes = {s_.out};
    bytes = sizeof(T) * static_cast<double>(s_.outer * s_.reduced * s_.inner);
    cost = kNanosecondsPerCall * static_cast<double>(tasks) + 2 * bytes / kBytesPerNanosecond;
  }

  void run(const Context& context, Dim task, std::byte*) const noexcept override {
    const T* a = reinterpret_cast<const T*>(context.address[s_.a]);
    std::int32_t* out = reinterpret_cast<std::int32_t*>(context.address[s_.out]);
    const Dim end = std::min(s_.outer * s_.inner, (task + 1) * lines_);
    for (Dim line = task * lines_; line < end; ++line) {
      const T* from = a + line / s_.inner * s_.reduced * s_.inner + line % s_.inner;
      out[line] = static_cast<std::int32_t>(s_.inner == 1 ? in_row(from) : in_column(from));
    }
  }

 private:
  Dim in_row(const T* a) const noexcept {
    T most;
    k_.row_max(&most, a, s_.reduced, 1, s_.reduced);
    const auto found = [&](Dim i) -> unsigned { return (a[i] == most) | (a[i] != a[i]); };
    constexpr Dim kBlock = 32;  // that are looked at together
    Dim begin = 0;
    for (; begin + kBlock <= s_.reduced; begin += kBlock) {
      unsigned any = 0;
      for (Dim i = begin; i < begin + kBlock; ++i) any |= found(i);
      if (any != 0) break;
    }
    for (Dim i = begin; i < s_.reduced; ++i)
      if (found(i) != 0) return i;
    return 0;
  }

  Dim in_column(const T* a) const noexcept {
    Dim best = 0;
    for (Dim i = 1; i < s_.reduced; ++i) {
      const T x = a[i * s_.inner], most = a[best * s_.inner];
      if (x > most || (x != x && most == most)) best = i;
    }
    return best;
  }

  const kernels::Kernels<T>& k_;
  AxisSpec s_;
  Dim lines_;
};

}  // namespace

template <class T>
CallPtr make_fold_call(const kernels::Kernels<T>& k, const AxisSpec& spec) {
  return std::make_unique<FoldCall<T>>(k, spec);
}

std::size_t fold_partials(const AxisSpec& spec) {
  if (fold_chunks(spec) == 1) return 0;
  return product_of_sizes(static_cast<std::size_t>(fold_chunks(spec)),
                          static_cast<std::size_t>(spec.outer * spec.inner));
}

template <class T>
CallPtr make_argmax_call(const kernels::Kernels<T>& k, const AxisSpec& spec) {
  return std::make_unique<ArgmaxCall<T>>(k, spec);
}

template CallPtr make_fold_call<float>(const kernels::Kernels<float>&, const AxisSpec&);
template CallPtr make_fold_call<double>(const kernels::Kernels<double>&, const AxisSpec&);
template CallPtr make_argmax_call<float>(const kernels::Kernels<float>&, const AxisSpec&);
template CallPtr make_argmax_call<double>(const kernels::Kernels<double>&, const AxisSpec&);

}  // namespace backpass
