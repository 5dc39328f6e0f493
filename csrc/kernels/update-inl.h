// Optimizer sweeps over flat memory, and the check for finite numbers; compiled per instruction set.
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
    step(i, [](const T* p) { return load(p); }, [](T* p, Vec<T> x) { store(p, x); });
  }
  if (const Size rest = n - i; rest > 0) {
    step(i, [rest](const T* p) { return load_n(p, rest); }, [rest](T* p, Vec<T> x) { store_n(p, x, rest); });
  }
}

template <class T>
inline Vec<T> constant(double x) {
  return broadcast(static_cast<T>(x));
}

// velocity = momentum * velocity + g, w -= learning_rate * velocity (Sutskever et al. 2013).
template <class T>
void sgd(T* weight, const T* grad, T* velocity, T*, const UpdateSettings& settings, Size n) noexcept {
  const Vec<T> rate = constant<T>(settings.learning_rate), momentum = constant<T>(settings.momentum);
  const Vec<T> decay = constant<T>(settings.weight_decay);
  const bool decays = settings.weight_decay != 0, nesterov = settings.nesterov;
  sweep<T>(n, [=](Size i, auto read, auto write) {
    const Vec<T> w = read(weight + i);
    Vec<T> g = read(grad + i);
    if (decays) g = g + decay * w;
    if (velocity) {
      const Vec<T> v = momentum * read(velocity + i) + g;
      write(velocity + i, v);
      g = nesterov ? g + momentum * v : v;
    }
    write(weight + i, w - rate * g);
  });
}

// m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2, w -= (rate / c1) m / (sqrt(v) / sqrt(c2) + eps).
template <class T>
void adam(T* weight, const T* grad, T* m, T* v, const UpdateSettings& settings, Size n) noexcept {
  const Vec<T> beta1 = constant<T>(settings.beta1), other1 = constant<T>(1 - settings.beta1);
  const Vec<T> beta2 = constant<T>(settings.beta2), other2 = constant<T>(1 - settings.beta2);
  const Vec<T> step = constant<T>(settings.learning_rate / settings.correction1), eps = constant<T>(settings.eps);
  const Vec<T> root = constant<T>(__builtin_sqrt(settings.correction2)), decay = constant<T>(settings.weight_decay);
  const Vec<T> shrink = constant<T>(1 - settings.learning_rate * settings.weight_decay);
  const bool coupled = settings.weight_decay != 0 && !settings.decoupled;
  const bool decoupled = settings.weight_decay != 0 && settings.decoupled;
  sweep<T>(n, [=](Size i, auto read, auto write) {
    Vec<T> w = read(weight + i), g = read(grad + i);
    if (coupled) g = g + decay * w;
    if (decoupled) w = w * shrink;
    const Vec<T> mean = beta1 * read(m + i) + other1 * g;
    const Vec<T> square = beta2 * read(v + i) + other2 * g * g;
    write(m + i, mean);
    write(v + i, square);
    write(weight + i, w - step * (mean / (sqrt(square) / root + eps)));
  });
}

// v = alpha v + (1 - alpha) g^2, d = g / (sqrt(v) + eps), velocity = momentum * velocity + d, w -= learning_rate *
// velocity, in PyTorch's form (Tieleman and Hinton 2012); alpha is beta2. velocity is null without momentum.
template <class T>
void rmsprop(T* weight, const T* grad, T* v, T* velocity, const UpdateSettings& settings, Size n) noexcept {
  const Vec<T> rate = constant<T>(settings.learning_rate), momentum = constant<T>(settings.momentum);
  const Vec<T> alpha = constant<T>(settings.beta2), other = constant<T>(1 - settings.beta2);
  const Vec<T> eps = constant<T>(settings.eps), decay = constant<T>(settings.weight_decay);
  const bool decays = settings.weight_decay != 0;
  sweep<T>(n, [=](Size i, auto read, auto write) {
    const Vec<T> w = read(weight + i);
    Vec<T> g = read(grad + i);
    if (decays) g = g + decay * w;
    const Vec<T> square = alpha * read(v + i) + other * g * g;
    write(v + i, square);
    const Vec<T> root = sqrt(square) + eps;
    Vec<T> d = g / root;
    if (velocity) {
      d = momentum * read(velocity + i) + d;
      write(velocity + i, d);
    }
    write(weight + i, w - rate * d);
  });
}

// A product with zero is zero for finite numbers alone.
template <class T>
bool all_finite(const T* a, Size n) noexcept {
  Vec<T> sums = constant<T>(0);
  sweep<T>(n, [&](Size i, auto read, auto) { sums = sums + read(a + i) * constant<T>(0); });
  return sum(sums) == 0;
}

}  // namespace
}  // namespace backpass::kernels
