// Casts from every element type; the common ones are copies.
#include "base/convert.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

namespace backpass {
namespace {

struct Half {
  std::uint16_t bits;
  operator float() const noexcept {  // IEEE 754 binary16
    const std::uint32_t sign = (bits & 0x8000u) << 16, exponent = (bits >> 10) & 31, fraction = bits & 0x3FFu;
    if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000u | fraction << 13);
    if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
};

struct BFloat16 {
  std::uint16_t bits;
  operator float() const noexcept { return std::bit_cast<float>(std::uint32_t{bits} << 16); }
};

// Rows may be unaligned.
template <class From>
From element(const void* a, Dim i) noexcept {
  From value;
  std::memcpy(&value, static_cast<const std::byte*>(a) + static_cast<std::size_t>(i) * sizeof(From), sizeof(From));
  return value;
}

// The nearest integer of 32 bits: what does not fit must not come back as another number that does.
template <class From>
std::int32_t saturated(From value) noexcept {
  using Limits = std::numeric_limits<std::int32_t>;
  if constexpr (std::is_integral_v<From>)
    return std::in_range<std::int32_t>(value) ? static_cast<std::int32_t>(value)
                                              : (value > 0 ? Limits::max() : Limits::min());
  else
    return value >= Limits::min() ? (value <= Limits::max() ? static_cast<std::int32_t>(value) : Limits::max())
                                  : Limits::min();
}

// In integers where the float is subnormal: our workers take such floats for zero, other threads do not.
double widened(float value) noexcept {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7F800000u) != 0) return static_cast<double>(value);
  const double magnitude = static_cast<double>(static_cast<std::int32_t>(bits & 0x7FFFFFu)) * 0x1p-149;
  return bits >> 31 ? -magnitude : magnitude;
}

template <class To, class From>
void cast(void* out, const void* a, Dim n) noexcept {
  To* to = static_cast<To*>(out);
  for (Dim i = 0; i < n; ++i) {
    const From value = element<From>(a, i);
    if constexpr (std::is_same_v<To, std::int32_t> && std::is_arithmetic_v<From>)
      to[i] = saturated(value);
    else if constexpr (std::is_same_v<To, double> && !std::is_integral_v<From> && sizeof(From) < sizeof(double))
      to[i] = widened(static_cast<float>(value));
    else if constexpr (std::is_arithmetic_v<From>)
      to[i] = static_cast<To>(value);
    else
      to[i] = static_cast<To>(static_cast<float>(value));
  }
}

// Calls f with a value of the C++ type that `type` names.
template <class F>
auto with_type(ElementType type, F f) noexcept {
  switch (type) {
    case ElementType::float16:
      return f(Half{});
    case ElementType::bfloat16:
      return f(BFloat16{});
    case ElementType::float32:
      return f(float{});
    case ElementType::float64:
      return f(double{});
    case ElementType::int8:
      return f(std::int8_t{});
    case ElementType::int16:
      return f(std::int16_t{});
    case ElementType::int32:
      return f(std::int32_t{});
    case ElementType::int64:
      return f(std::int64_t{});
    case ElementType::uint8:
    case ElementType::boolean:
      return f(std::uint8_t{});
    case ElementType::uint16:
      return f(std::uint16_t{});
    case ElementType::uint32:
      return f(std::uint32_t{});
    case ElementType::uint64:
      return f(std::uint64_t{});
  }
  return f(float{});
}

bool same(DType dtype, ElementType type) noexcept {
  return (dtype == DType::float32 && type == ElementType::float32) ||
         (dtype == DType::float64 && type == ElementType::float64) ||
         (dtype == DType::int32 && type == ElementType::int32);
}

// The largest number that rounds to a finite float.
constexpr double kLargestFloat = 0x1.fffffefffffffp127;

// Whether no element is beyond `largest`, or nan; without a branch for each, so that vectors do it.
template <class From>
bool all_within(const void* a, Dim n, From largest) noexcept {
  using Mask = std::conditional_t<sizeof(From) == sizeof(std::uint32_t), std::uint32_t, std::uint64_t>;
  Mask beyond = 0;
  for (Dim i = 0; i < n; ++i) beyond |= static_cast<Mask>(!(std::fabs(element<From>(a, i)) <= largest));
  return beyond == 0;
}

}  // namespace

bool is_integer(ElementType type) noexcept {
  return type != ElementType::float16 && type != ElementType::bfloat16 && type != ElementType::float32 &&
         type != ElementType::float64 && type != ElementType::boolean;
}

void convert(void* out, DType dtype, const void* a, ElementType type, Dim n) noexcept {
  if (n == 0) return;
  if (same(dtype, type)) {
    std::memcpy(out, a, static_cast<std::size_t>(n) * size_of(dtype));
    return;
  }
  with_type(type, [&](auto from) {
    using From = decltype(from);
    if (dtype == DType::float32)
      cast<float, From>(out, a, n);
    else if (dtype == DType::float64)
      cast<double, From>(out, a, n);
    else
      cast<std::int32_t, From>(out, a, n);
  });
}

Finite check_finite(const void* a, ElementType type, DType dtype, Dim n) noexcept {
  return with_type(type, [&](auto from) {
    using From = decltype(from);
    if constexpr (std::is_integral_v<From>) return Finite::yes;
    if constexpr (std::is_floating_point_v<From>) {
      const bool narrows = sizeof(From) > sizeof(float) && dtype == DType::float32;
      if (all_within(a, n, narrows ? static_cast<From>(kLargestFloat) : std::numeric_limits<From>::max()))
        return Finite::yes;
    }
    for (Dim i = 0; i < n; ++i) {
      const double x = static_cast<double>(element<From>(a, i));
      if (!std::isfinite(x)) return Finite::non_finite;
      if (dtype == DType::float32 && !std::isfinite(static_cast<float>(x))) return Finite::overflows;
    }
    return Finite::yes;
  });
}

namespace {

bool beyond_int32(const void* a, ElementType type, Dim n) noexcept {
  constexpr double kLeast = std::numeric_limits<std::int32_t>::min(), kMost = std::numeric_limits<std::int32_t>::max();
  return with_type(type, [&](auto example) {
    for (Dim i = 0; i < n; ++i)
      if (const double x = static_cast<double>(element<decltype(example)>(a, i)); !(x >= kLeast && x <= kMost))
        return true;
    return false;
  });
}

}  // namespace

bool overflows(const void* a, ElementType type, DType dtype, Dim n) noexcept {
  if (dtype == DType::int32) return beyond_int32(a, type, n);
  if (type != ElementType::float64 || dtype != DType::float32) return false;  // every other type fits
  for (Dim i = 0; i < n; ++i) {
    const double value = element<double>(a, i);
    if (std::isfinite(value) && !std::isfinite(static_cast<float>(value))) return true;
  }
  return false;
}

}  // namespace backpass
