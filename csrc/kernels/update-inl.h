// Optimizer sweeps over flat memory, and what is asked of gradients before them; compiled per instruction set.
#pragma once

#include "kernels/math-inl.h"

namespace backpass::kernels {
namespace {

// Runs step(offset, load, store) over n elements, whole vectors first; the last few through partial loads and stores.
template <class T, class Step>
inline void sweep(Size n, Step step) {
  constexpr Size lanes = Vec<T>::kLanes;
  Size i = 0;
  for (; i + lanes <= n; i += lanes) {
    step(
        i, [](const T* p) { return load(p); }, [](T* p, Vec<T> x) { store(p, x); });
  }
  if (const Size rest = n - i; rest > 0) {
    step(
        i, [rest](const T* p) { return load_n(p, rest); }, [rest](T* p, Vec<T> x) { store_n(p, x, rest); });
  }
}

// The same, four vectors in one turn of the loop: for steps of few operations without a branch.
template <class T, class Step>
inline void sweep_by_four(Size n, Step step) {
  constexpr Size lanes = Vec<T>::kLanes;
  const Size whole = n - n % (4 * lanes);
  for (Size i = 0; i < whole; i += 4 * lanes) {
#pragma GCC unroll 4
    for (Size v = 0; v < 4; ++v)
      step(
          i + v * lanes, [](const T* p) { return load(p); }, [](T* p, Vec<T> x) { store(p, x); });
  }
  sweep<T>(n - whole, [=](Size i, auto read, auto write) { step(whole + i, read, write); });
}

template <class T>
inline Vec<T> constant(double x) {
  return broadcast(static_cast<T>(x));
}

// velocity = momentum * velocity + fresh * g, w -= learning_rate * velocity (Sutskever et al. 2013); momentum is beta1.
template <class T>
void sgd(Updated<T> weight, const T* grad, Updated<T> velocity, Updated<T>, Updated<T>, const UpdateSettings& settings,
         Size n) noexcept {
  const Vec<T> rate = constant<T>(settings.step_size), decay = constant<T>(settings.weight_decay);
  const Vec<T> momentum = constant<T>(settings.beta1), fresh = constant<T>(settings.fresh1);
  const bool decays = settings.weight_decay != 0, nesterov = settings.nesterov;
  if (!decays && !velocity.to) {
    return sweep_by_four<T>(
        n, [=](Size i, auto read, auto write) { write(weight.to + i, read(weight.from + i) - rate * read(grad + i)); });
  }
  sweep<T>(n, [=](Size i, auto read, auto write) {
    const Vec<T> w = read(weight.from + i);
    Vec<T> g = read(grad + i);
    if (decays) g = g + decay * w;
    if (velocity.to) {
      const Vec<T> v = momentum * read(velocity.from + i) + fresh * g;
      write(velocity.to + i, v);
      g = nesterov ? g + momentum * v : v;
    }
    write(weight.to + i, w - rate * g);
  });
}

// m = beta1 m + fresh1 g, v = beta2 v + fresh2 g^2, w -= step(i, g, m, v, read, write): what the Adams share.
template <class T, class Step>
void with_moments(Updated<T> weight, const T* grad, Updated<T> m, Updated<T> v, const UpdateSettings& settings, Size n,
                  Step step) noexcept {
  const Vec<T> beta1 = constant<T>(settings.beta1), fresh1 = constant<T>(settings.fresh1);
  const Vec<T> beta2 = constant<T>(settings.beta2), fresh2 = constant<T>(settings.fresh2);
  const Vec<T> decay = constant<T>(settings.weight_decay);
  const Vec<T> shrink = constant<T>(settings.shrink);
  const bool coupled = settings.weight_decay != 0 && !settings.decoupled;
  const bool decoupled = settings.weight_decay != 0 && settings.decoupled;
  sweep<T>(n, [=](Size i, auto read, auto write) {
    Vec<T> w = read(weight.from + i), g = read(grad + i);
    if (coupled) g = g + decay * w;
    if (decoupled) w = w * shrink;
    const Vec<T> mean = beta1 * read(m.from + i) + fresh1 * g;
    const Vec<T> square = beta2 * read(v.from + i) + fresh2 * g * g;
    write(m.to + i, mean);
    write(v.to + i, square);
    write(weight.to + i, w - step(i, g, mean, square, read, write));
  });
}

// w -= step_size * m / (sqrt(v) / root + eps).
template <class T>
void adam(Updated<T> weight, const T* grad, Updated<T> m, Updated<T> v, Updated<T>, const UpdateSettings& settings,
          Size n) noexcept {
  const Vec<T> rate = constant<T>(settings.step_size), root = constant<T>(settings.root);
  const Vec<T> eps = constant<T>(settings.eps);
  with_moments(weight, grad, m, v, settings, n, [=](Size, Vec<T>, Vec<T> mean, Vec<T> square, auto, auto) {
    return rate * (mean / (sqrt(square) / root + eps));
  });
}

// The same with the largest v so far in place of v (Reddi et al. 2018).
template <class T>
void amsgrad(Updated<T> weight, const T* grad, Updated<T> m, Updated<T> v, Updated<T> largest,
             const UpdateSettings& settings, Size n) noexcept {
  const Vec<T> rate = constant<T>(settings.step_size), root = constant<T>(settings.root);
  const Vec<T> eps = constant<T>(settings.eps);
  with_moments(weight, grad, m, v, settings, n, [=](Size i, Vec<T>, Vec<T> mean, Vec<T> square, auto read, auto write) {
    const Vec<T> top = max(read(largest.from + i), square);
    write(largest.to + i, top);
    return rate * (mean / (sqrt(top) / root + eps));
  });
}

// The gradient itself is part of the step (Dozat 2016).
template <class T>
void nadam(Updated<T> weight, const T* grad, Updated<T> m, Updated<T> v, Updated<T>, const UpdateSettings& settings,
           Size n) noexcept {
  const Vec<T> rate = constant<T>(settings.step_size), grad_rate = constant<T>(settings.gradient_step);
  const Vec<T> root = constant<T>(settings.root), eps = constant<T>(settings.eps);
  with_moments(weight, grad, m, v, settings, n, [=](Size, Vec<T> g, Vec<T> mean, Vec<T> square, auto, auto) {
    const Vec<T> ahead = rate * mean + grad_rate * g;
    return ahead / (sqrt(square) / root + eps);
  });
}

// The first steps, whose second moments say too little, go without them (Liu et al. 2020).
template <class T>
void radam(Updated<T> weight, const T* grad, Updated<T> m, Updated<T> v, Updated<T>, const UpdateSettings& settings,
           Size n) noexcept {
  if (settings.rectified) return adam<T>(weight, grad, m, v, {}, settings, n);
  const Vec<T> rate = constant<T>(settings.step_size);
  with_moments(weight, grad, m, v, settings, n,
               [=](Size, Vec<T>, Vec<T> mean, Vec<T>, auto, auto) { return rate * mean; });
}

// v = beta2 v + fresh2 g^2, d = g / (sqrt(v) + eps), velocity = momentum * velocity + d, w -= step_size * velocity, in
// PyTorch's form (Tieleman and Hinton 2012); momentum is beta1. Centered: v less the square of the mean gradient.
template <class T>
void rmsprop(Updated<T> weight, const T* grad, Updated<T> v, Updated<T> velocity, Updated<T> average,
             const UpdateSettings& settings, Size n) noexcept {
  const Vec<T> rate = constant<T>(settings.step_size), momentum = constant<T>(settings.beta1);
  const Vec<T> beta2 = constant<T>(settings.beta2), fresh2 = constant<T>(settings.fresh2);
  const Vec<T> eps = constant<T>(settings.eps), decay = constant<T>(settings.weight_decay), zero = constant<T>(0);
  const bool decays = settings.weight_decay != 0;
  sweep<T>(n, [=](Size i, auto read, auto write) {
    const Vec<T> w = read(weight.from + i);
    Vec<T> g = read(grad + i);
    if (decays) g = g + decay * w;
    Vec<T> square = beta2 * read(v.from + i) + fresh2 * g * g;
    write(v.to + i, square);
    if (average.to) {
      const Vec<T> mean = beta2 * read(average.from + i) + fresh2 * g;
      write(average.to + i, mean);
      square = max(zero, square - mean * mean);  // rounding may leave less than nothing
    }
    const Vec<T> root = sqrt(square) + eps;
    Vec<T> d = g / root;
    if (velocity.to) {
      d = momentum * read(velocity.from + i) + d;
      write(velocity.to + i, d);
    }
    write(weight.to + i, w - rate * d);
  });
}

// Steps in the unit of the weights: the gradient by the ratio of two running means of squares (Zeiler 2012).
template <class T>
void adadelta(Updated<T> weight, const T* grad, Updated<T> v, Updated<T> steps, Updated<T>,
              const UpdateSettings& settings, Size n) noexcept {
  const Vec<T> rate = constant<T>(settings.step_size), eps = constant<T>(settings.eps);
  const Vec<T> beta2 = constant<T>(settings.beta2), fresh2 = constant<T>(settings.fresh2);
  const Vec<T> decay = constant<T>(settings.weight_decay);
  const bool decays = settings.weight_decay != 0;
  sweep<T>(n, [=](Size i, auto read, auto write) {
    const Vec<T> w = read(weight.from + i), before = read(steps.from + i);
    Vec<T> g = read(grad + i);
    if (decays) g = g + decay * w;
    const Vec<T> square = beta2 * read(v.from + i) + fresh2 * g * g;
    const Vec<T> top = sqrt(before + eps);
    const Vec<T> bottom = sqrt(square + eps);
    const Vec<T> d = top / bottom * g;
    write(v.to + i, square);
    write(steps.to + i, beta2 * before + fresh2 * d * d);
    write(weight.to + i, w - rate * d);
  });
}

// m = beta1 m + fresh1 g, u = max(beta2 u, |g| + eps), w -= step_size * m / u (Kingma and Ba 2015, algorithm 2).
template <class T>
void adamax(Updated<T> weight, const T* grad, Updated<T> m, Updated<T> u, Updated<T>, const UpdateSettings& settings,
            Size n) noexcept {
  const Vec<T> rate = constant<T>(settings.step_size), decay = constant<T>(settings.weight_decay);
  const Vec<T> beta1 = constant<T>(settings.beta1), fresh1 = constant<T>(settings.fresh1);
  const Vec<T> beta2 = constant<T>(settings.beta2), eps = constant<T>(settings.eps);
  const bool decays = settings.weight_decay != 0;
  sweep<T>(n, [=](Size i, auto read, auto write) {
    const Vec<T> w = read(weight.from + i);
    Vec<T> g = read(grad + i);
    if (decays) g = g + decay * w;
    const Vec<T> mean = beta1 * read(m.from + i) + fresh1 * g;
    const Vec<T> top = max(beta2 * read(u.from + i), abs(g) + eps);
    write(m.to + i, mean);
    write(u.to + i, top);
    write(weight.to + i, w - rate * (mean / top));
  });
}

// -1, 0 or 1; nan stays.
template <class T>
inline Vec<T> sign_of(Vec<T> x) {
  const Vec<T> zero = constant<T>(0);
  return select(less(zero, x), constant<T>(1), select(less(x, zero), constant<T>(-1), x));
}

// w -= step_size * sign(beta1 m + fresh1 g), then m = beta2 m + fresh2 g (Chen et al. 2023, algorithm 2).
template <class T>
void lion(Updated<T> weight, const T* grad, Updated<T> m, Updated<T>, Updated<T>, const UpdateSettings& settings,
          Size n) noexcept {
  const Vec<T> rate = constant<T>(settings.step_size);
  const Vec<T> beta1 = constant<T>(settings.beta1), fresh1 = constant<T>(settings.fresh1);
  const Vec<T> beta2 = constant<T>(settings.beta2), fresh2 = constant<T>(settings.fresh2);
  const Vec<T> shrink = constant<T>(settings.shrink);
  sweep<T>(n, [=](Size i, auto read, auto write) {
    const Vec<T> w = shrink * read(weight.from + i);
    const Vec<T> g = read(grad + i), mean = read(m.from + i);
    const Vec<T> step = rate * sign_of(beta1 * mean + fresh1 * g);
    write(m.to + i, beta2 * mean + fresh2 * g);
    write(weight.to + i, w - step);
  });
}

// A rule: its kernel, and floating-point operations per parameter.
template <class T>
struct UpdateRow {
  typename Kernels<T>::UpdateKernel run;
  double flops;
};

template <class T>
constexpr UpdateRow<T> update_row(UpdateRule rule) {
  switch (rule) {
    case UpdateRule::sgd:
      return {&sgd<T>, 2};
    case UpdateRule::adam:
      return {&adam<T>, 12};
    case UpdateRule::amsgrad:
      return {&amsgrad<T>, 13};
    case UpdateRule::nadam:
      return {&nadam<T>, 14};
    case UpdateRule::radam:
      return {&radam<T>, 12};
    case UpdateRule::rmsprop:
      return {&rmsprop<T>, 9};
    case UpdateRule::adadelta:
      return {&adadelta<T>, 14};
    case UpdateRule::adamax:
      return {&adamax<T>, 9};
    case UpdateRule::lion:
      return {&lion<T>, 8};
  }
  return {};
}

template <class T>
constexpr void fill_updates(Kernels<T>& kernels) {
  for (std::size_t rule = 0; rule < kUpdateRules; ++rule) {
    const UpdateRow<T> row = update_row<T>(static_cast<UpdateRule>(rule));
    kernels.update[rule] = row.run;
    kernels.update_flops[rule] = row.flops;
  }
}

// What is infinite or no number stays so in a sum. Four of them, or each addition would wait for the one before.
template <class T>
bool sum_is_finite(const T* a, T factor, Size n) noexcept {
  constexpr Size lanes = Vec<T>::kLanes;
  const Vec<T> scale = broadcast(factor), zero = constant<T>(0);
  Vec<T> sums[4] = {zero, zero, zero, zero};
  const Size whole = n - n % (4 * lanes);
  for (Size i = 0; i < whole; i += 4 * lanes)
#pragma GCC unroll 4
    for (Size v = 0; v < 4; ++v) sums[v] = fma(load(a + i + v * lanes), scale, sums[v]);
  sweep<T>(n - whole, [&](Size i, auto read, auto) { sums[0] = fma(read(a + whole + i), scale, sums[0]); });
  return sum((sums[0] + sums[1]) + (sums[2] + sums[3])) * T(0) == 0;
}

// Eight sums side by side, whatever the vectors are: one order of additions on every instruction set.
template <class T>
double sum_of_squares(const T* a, Size n) noexcept {
  double sums[8] = {};
  Size i = 0;
  for (; i + 8 <= n; i += 8)
    for (Size j = 0; j < 8; ++j) sums[j] += static_cast<double>(a[i + j]) * static_cast<double>(a[i + j]);
  for (; i < n; ++i) sums[i % 8] += static_cast<double>(a[i]) * static_cast<double>(a[i]);
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

template <class T>
void clamp(T* a, T limit, Size n) noexcept {
  const Vec<T> high = constant<T>(limit), low = constant<T>(-limit);
  sweep<T>(n, [=](Size i, auto read, auto write) { write(a + i, max(low, min(high, read(a + i)))); });
}

}  // namespace
}  // namespace backpass::kernels
