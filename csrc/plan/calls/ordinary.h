// When an update cannot overflow, and whether it would where it could.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <type_traits>

#include "plan/calls/call.h"

namespace backpass {

// A gradient is ordinary below this. Its square, times 2^12, is no more than 2^(3/4) of the largest number; times what
// settings may make of it, it is below half of what separates the two largest numbers, so that no sum with it becomes
// infinite.
template <class T>
inline constexpr T kOrdinaryGradient = std::is_same_v<T, double> ? T(0x1p+320L) : T(0x1p+40L);
// Times this, what is not below is twice the largest number or more.
template <class T>
inline constexpr T kOrdinaryFactor = std::is_same_v<T, double> ? T(0x1p+705L) : T(0x1p+89L);

// Whether all of them are, and so are sums of `times` of them. False at times where many are close to the limit: then
// the update is tried.
template <class T>
bool is_ordinary(const kernels::Kernels<T>& k, const T* grad, kernels::Size n, T times = 1) noexcept {
  return k.sum_is_finite(grad, kOrdinaryFactor<T> * times, n);
}

// Notes in the context where some of them are not.
template <class T>
void watch_gradient(const kernels::Kernels<T>& k, const Context& context, const T* grad, kernels::Size n,
                    T times = 1) noexcept {
  if (!is_ordinary(k, grad, n, times)) context.extraordinary->store(true, std::memory_order_relaxed);
}

template <class T>
bool all_finite(const kernels::Kernels<T>& k, const T* a, kernels::Size n) noexcept {
  return k.sum_is_finite(a, T(0), n);
}

// Whether these settings make a finite step of every ordinary gradient, and let no state grow by itself.
template <class T>
bool are_ordinary(const kernels::UpdateSettings& s) noexcept {
  constexpr double kMost = std::is_same_v<T, double> ? 0x1p+408 : 0x1p+51;
  const bool divides = s.eps != 0;
  return std::max(s.step_size, s.gradient_step) <= kMost * (divides ? std::min(1.0, s.eps) : 1) &&
         (!divides || s.eps >= static_cast<double>(std::numeric_limits<T>::min())) && std::max(s.beta1, s.beta2) <= 1 &&
         std::max(std::abs(s.fresh1), std::abs(s.fresh2)) <= 1024 && s.weight_decay <= 1 &&
         s.learning_rate * s.weight_decay <= 1;
}

// The update of n parameters and their state (null where the rule keeps none), tried on copies: whether all of it would
// be finite. Gradients are clamped into [-limit, limit].
template <class T>
bool update_stays_finite(const kernels::Kernels<T>& k, typename kernels::Kernels<T>::UpdateKernel update,
                         const T* weight, const T* grad, const std::array<const T*, 3>& slots, double limit,
                         const kernels::UpdateSettings& settings, kernels::Size n) noexcept {
  constexpr kernels::Size kSome = 256;
  alignas(64) T w[kSome], g[kSome], s[3][kSome];
  for (kernels::Size i = 0; i < n; i += kSome) {
    const kernels::Size count = std::min(kSome, n - i);
    std::copy_n(grad + i, count, g);
    if (limit < static_cast<double>(std::numeric_limits<T>::max())) k.clamp(g, static_cast<T>(limit), count);
    std::array<kernels::Updated<T>, 3> state{};
    for (std::size_t j = 0; j < slots.size(); ++j)
      if (slots[j]) state[j] = {s[j], slots[j] + i};
    update({w, weight + i}, g, state[0], state[1], state[2], settings, count);
    bool finite = all_finite(k, w, count);
    for (const auto& kept : state) finite = finite && (!kept.to || all_finite<T>(k, kept.to, count));
    if (!finite) return false;
  }
  return true;
}

}  // namespace backpass
