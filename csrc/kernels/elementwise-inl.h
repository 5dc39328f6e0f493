// Elementwise functions: one expression each, and the loop that runs them; compiled per instruction set.
#pragma once

#include "kernels/gamma-inl.h"
#include "kernels/twice-inl.h"

namespace backpass::kernels {
namespace {

// f(a) or f(a, b) on vectors. An entry of the list without a branch here does not compile.
template <Elementwise fn, class V>
inline V apply(V a, [[maybe_unused]] V b, [[maybe_unused]] V alpha) {
  using T = typename V::Element;
  [[maybe_unused]] const V zero = broadcast(static_cast<T>(0)), one = broadcast(static_cast<T>(1));
  [[maybe_unused]] const V infinity = broadcast(static_cast<T>(__builtin_inf()));
  [[maybe_unused]] V gaussian;
  if constexpr (fn == Elementwise::copy)
    return a;
  else if constexpr (fn == Elementwise::negate)
    return a * broadcast(static_cast<T>(-1));
  else if constexpr (fn == Elementwise::absolute)
    return abs(a);
  else if constexpr (fn == Elementwise::sign)
    return select(less(zero, a), one, select(less(a, zero), zero - one, a));
  else if constexpr (fn == Elementwise::step)
    return select(less(zero, a), one, zero);
  else if constexpr (fn == Elementwise::square)
    return a * a;
  else if constexpr (fn == Elementwise::sqrt)
    return sqrt(a);
  else if constexpr (fn == Elementwise::reciprocal)
    return one / a;
  else if constexpr (fn == Elementwise::exp)
    return exp(a);
  else if constexpr (fn == Elementwise::log)
    return log(a);
  else if constexpr (fn == Elementwise::erf)
    return erf(a);
  else if constexpr (fn == Elementwise::scale)
    return alpha * a;
  else if constexpr (fn == Elementwise::shift)
    return a + alpha;
  else if constexpr (fn == Elementwise::relu)
    return max(zero, a);
  else if constexpr (fn == Elementwise::leaky_relu)
    return select(less(zero, a), a, alpha * a);
  else if constexpr (fn == Elementwise::sigmoid)
    return sigmoid(a);
  else if constexpr (fn == Elementwise::tanh)
    return tanh(a);
  else if constexpr (fn == Elementwise::gelu)
    return a * normal_cdf(a, gaussian);
  else if constexpr (fn == Elementwise::gelu_tanh)
    return gelu_tanh(a);
  else if constexpr (fn == Elementwise::softplus)
    return softplus(a);
  else if constexpr (fn == Elementwise::elu)
    return fma(alpha, expm1_negative(a), max(zero, a));
  else if constexpr (fn == Elementwise::silu)
    return silu(a);
  else if constexpr (fn == Elementwise::mish)
    return mish(a);
  else if constexpr (fn == Elementwise::log_cosh)
    return log_cosh(a);
  else if constexpr (fn == Elementwise::rsqrt)
    return one / sqrt(a);
  else if constexpr (fn == Elementwise::cbrt)
    return cbrt(a);
  else if constexpr (fn == Elementwise::exp2)
    return exp2(a);
  else if constexpr (fn == Elementwise::expm1)
    return expm1(a);
  else if constexpr (fn == Elementwise::log2)
    return log2(a);
  else if constexpr (fn == Elementwise::log10)
    return log10(a);
  else if constexpr (fn == Elementwise::log1p)
    return log1p(a);
  else if constexpr (fn == Elementwise::sin)
    return sin(a);
  else if constexpr (fn == Elementwise::cos)
    return cos(a);
  else if constexpr (fn == Elementwise::tan)
    return tan(a);
  else if constexpr (fn == Elementwise::arcsin)
    return arcsin(a);
  else if constexpr (fn == Elementwise::arccos)
    return arccos(a);
  else if constexpr (fn == Elementwise::arctan)
    return arctan(a);
  else if constexpr (fn == Elementwise::sinh)
    return sinh(a);
  else if constexpr (fn == Elementwise::cosh)
    return cosh(a);
  else if constexpr (fn == Elementwise::erfc)
    return erfc(a);
  else if constexpr (fn == Elementwise::lgamma)
    return lgamma(a);
  else if constexpr (fn == Elementwise::digamma)
    return digamma(a);
  else if constexpr (fn == Elementwise::polygamma)
    return polygamma(alpha, a);
  else if constexpr (fn == Elementwise::softsign)
    return a / (one + abs(a));
  else if constexpr (fn == Elementwise::log_sigmoid)
    return zero - softplus(zero - a);
  else if constexpr (fn == Elementwise::floor)
    return floor(a);
  else if constexpr (fn == Elementwise::ceil)
    return ceil(a);
  else if constexpr (fn == Elementwise::round)
    return round(a);
  else if constexpr (fn == Elementwise::trunc)
    return trunc(a);
  else if constexpr (fn == Elementwise::isnan)
    return select(equal(a, a), zero, one);
  else if constexpr (fn == Elementwise::isinf)
    return select(equal(abs(a), infinity), one, zero);
  else if constexpr (fn == Elementwise::isfinite)
    return select(less(abs(a), infinity), one, zero);
  else if constexpr (fn == Elementwise::logical_not)
    return select(equal(a, zero), one, zero);
  else if constexpr (fn == Elementwise::add)
    return a + b;
  else if constexpr (fn == Elementwise::subtract)
    return a - b;
  else if constexpr (fn == Elementwise::multiply)
    return a * b;
  else if constexpr (fn == Elementwise::divide)
    return a / b;
  else if constexpr (fn == Elementwise::maximum)
    return select(equal(a, a), max(a, b), a);
  else if constexpr (fn == Elementwise::minimum)
    return select(equal(a, a), min(a, b), a);
  else if constexpr (fn == Elementwise::greater)
    return select(less(b, a), one, zero);
  else if constexpr (fn == Elementwise::equal)
    return select(equal(a, b), one, zero);
  else if constexpr (fn == Elementwise::not_equal)
    return select(equal(a, b), zero, one);
  else if constexpr (fn == Elementwise::less)
    return select(less(a, b), one, zero);
  else if constexpr (fn == Elementwise::less_equal)
    return select(less(a, b), one, select(equal(a, b), one, zero));
  else if constexpr (fn == Elementwise::greater_equal)
    return select(less(b, a), one, select(equal(a, b), one, zero));
  else if constexpr (fn == Elementwise::logical_and)
    return select(equal(a, zero), zero, select(equal(b, zero), zero, one));
  else if constexpr (fn == Elementwise::logical_or)
    return select(equal(a, zero), select(equal(b, zero), zero, one), one);
  else if constexpr (fn == Elementwise::logical_xor)
    return select(equal(a, zero), select(equal(b, zero), zero, one), select(equal(b, zero), one, zero));
  else if constexpr (fn == Elementwise::power)
    return power(a, b);
  else if constexpr (fn == Elementwise::arctan2)
    return arctan2(a, b);
  else if constexpr (fn == Elementwise::hypot)
    return hypot(a, b);
  else if constexpr (fn == Elementwise::logaddexp)
    return logaddexp(a, b);
  else if constexpr (fn == Elementwise::mod)
    return mod(a, b);
  else if constexpr (fn == Elementwise::relu_grad)
    return select(less(zero, b), a, zero);
  else if constexpr (fn == Elementwise::leaky_relu_grad)
    return select(less(zero, b), a, alpha * a);
  else if constexpr (fn == Elementwise::sigmoid_grad)
    return a * b * (one - b);
  else if constexpr (fn == Elementwise::tanh_grad)
    return a * (one - b * b);
  else if constexpr (fn == Elementwise::gelu_grad) {
    const V cdf = normal_cdf(b, gaussian);
    return a * fma(b * gaussian, broadcast(static_cast<T>(0.39894228040143267794)), cdf);
  } else if constexpr (fn == Elementwise::gelu_tanh_grad)
    return a * gelu_tanh_derivative(b);
  else if constexpr (fn == Elementwise::softplus_grad)
    return a * sigmoid(b);
  else if constexpr (fn == Elementwise::elu_grad)
    return a * select(less(zero, b), one, alpha * exp(b));
  else if constexpr (fn == Elementwise::silu_grad)
    return a * silu_derivative(b);
  else if constexpr (fn == Elementwise::mish_grad)
    return a * mish_derivative(b);
  else
    static_assert(!sizeof(V), "an elementwise function without a kernel");
}

template <class T, Elementwise fn>
inline void elementwise_row(T* out, const T* a, const T* b, Vec<T> alpha, Size n) noexcept {
  constexpr Size lanes = Vec<T>::kLanes;
  constexpr bool binary = is_binary(fn);
  const auto two = [](const T* from) { return Twice(load(from), load(from + lanes)); };
  Size j = 0;
  for (; j + 2 * lanes <= n; j += 2 * lanes) {
    const Twice<Vec<T>> x = two(a + j), y = apply<fn>(x, binary ? two(b + j) : x, Twice(alpha));
    store(out + j, y.low);
    store(out + j + lanes, y.high);
  }
  for (; j + lanes <= n; j += lanes) {
    const Vec<T> x = load(a + j);
    store(out + j, apply<fn>(x, binary ? load(b + j) : x, alpha));
  }
  if (const Size rest = n - j; rest > 0) {
    const Vec<T> x = load_n(a + j, rest);
    store_n(out + j, apply<fn>(x, binary ? load_n(b + j, rest) : x, alpha), rest);
  }
}

// Rows without gaps are one long row, as far as every operand agrees.
template <class T, Elementwise fn>
void elementwise(T* out, Size ldo, const T* a, Size lda, const T* b, Size ldb, T alpha, Size rows, Size cols) noexcept {
  if (rows <= 0 || cols <= 0) return;
  constexpr bool binary = is_binary(fn);
  const Vec<T> constant = broadcast(alpha);
  const bool dense = ldo == cols && lda == cols;
  if (rows == 1 || (dense && (!binary || ldb == cols))) {
    return elementwise_row<T, fn>(out, a, b, constant, rows * cols);
  }
  constexpr Size kRepeat = 256;
  if (binary && dense && ldb == 0 && cols <= kRepeat / 4) {
    // A short repeated row (a bias): copies of it side by side make long rows.
    T repeated[kRepeat];
    const Size group = kRepeat / cols < rows ? kRepeat / cols : rows;
    for (Size i = 0; i < group; ++i) {
      for (Size j = 0; j < cols; ++j) repeated[i * cols + j] = b[j];
    }
    for (Size i = 0; i < rows; i += group) {
      const Size count = group < rows - i ? group : rows - i;
      elementwise_row<T, fn>(out + i * cols, a + i * cols, repeated, constant, count * cols);
    }
    return;
  }
  for (Size i = 0; i < rows; ++i) {
    elementwise_row<T, fn>(out + i * ldo, a + i * lda, binary ? b + i * ldb : b, constant, cols);
  }
}

template <class T, int index = 0>
constexpr void fill_elementwise(Kernels<T>& kernels) {
  if constexpr (index < kElementwiseCount) {
    kernels.elementwise[index] = &elementwise<T, static_cast<Elementwise>(index)>;
    fill_elementwise<T, index + 1>(kernels);
  }
}

}  // namespace
}  // namespace backpass::kernels
