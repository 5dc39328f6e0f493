// Vector vocabulary, portable: a vector of one.
//
// Every vec_*.h defines, for T = float and double, Vec<T> and the functions below with the same meaning:
//   load_n / store_n   the first n elements only, n in [0, kLanes); memory beyond them is not touched, the rest reads 0
//   fma(a, b, c)       a * b + c, rounded once where kFuses
//   max / min          the second argument where either is not a number, or not a number
//   pow2(n)            2^n for whole n within the exponents of normal numbers
//   exponent, mantissa x = mantissa * 2^exponent with mantissa in [1, 2), for positive normal x
//   transpose(rows)    a square of kLanes vectors
// and Words, a vector of 32-bit integers, with
//   multiply(a, b, high)  the low half of each product; the high half goes to `high`
//   words / floats        the bits of a vector of floats, and back
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/table.h"

namespace backpass::kernels {
namespace {

constexpr bool kFuses = false;

template <class T>
struct Vec {
  using Element = T;
  static constexpr Size kLanes = 1;
  T v;
};

inline Vec<float> load(const float* p) { return {*p}; }
inline Vec<double> load(const double* p) { return {*p}; }
inline Vec<float> load_n(const float*, Size) { return {0}; }
inline Vec<double> load_n(const double*, Size) { return {0}; }
inline void store(float* p, Vec<float> a) { *p = a.v; }
inline void store(double* p, Vec<double> a) { *p = a.v; }
inline void store_n(float*, Vec<float>, Size) {}
inline void store_n(double*, Vec<double>, Size) {}
inline Vec<float> broadcast(float x) { return {x}; }
inline Vec<double> broadcast(double x) { return {x}; }

// clang-format off
template <class T> inline Vec<T> operator+(Vec<T> a, Vec<T> b) { return {a.v + b.v}; }
template <class T> inline Vec<T> operator-(Vec<T> a, Vec<T> b) { return {a.v - b.v}; }
template <class T> inline Vec<T> operator*(Vec<T> a, Vec<T> b) { return {a.v * b.v}; }
template <class T> inline Vec<T> operator/(Vec<T> a, Vec<T> b) { return {a.v / b.v}; }
template <class T> inline Vec<T> fma(Vec<T> a, Vec<T> b, Vec<T> c) { return {a.v * b.v + c.v}; }
template <class T> inline Vec<T> fnma(Vec<T> a, Vec<T> b, Vec<T> c) { return {c.v - a.v * b.v}; }
template <class T> inline Vec<T> max(Vec<T> a, Vec<T> b) { return {a.v > b.v ? a.v : b.v}; }
template <class T> inline Vec<T> min(Vec<T> a, Vec<T> b) { return {a.v < b.v ? a.v : b.v}; }
template <class T> inline bool less(Vec<T> a, Vec<T> b) { return a.v < b.v; }
template <class T> inline bool equal(Vec<T> a, Vec<T> b) { return a.v == b.v; }
template <class T> inline Vec<T> select(bool mask, Vec<T> a, Vec<T> b) { return mask ? a : b; }
template <class T> inline T sum(Vec<T> a) { return a.v; }
template <class T> inline T max_lane(Vec<T> a) { return a.v; }
template <class T> inline void transpose(Vec<T> (&)[1]) {}
// clang-format on

inline Vec<float> sqrt(Vec<float> a) { return {__builtin_sqrtf(a.v)}; }
inline Vec<double> sqrt(Vec<double> a) { return {__builtin_sqrt(a.v)}; }
inline Vec<float> abs(Vec<float> a) { return {__builtin_fabsf(a.v)}; }
inline Vec<double> abs(Vec<double> a) { return {__builtin_fabs(a.v)}; }
inline Vec<float> copysign(Vec<float> a, Vec<float> sign) { return {__builtin_copysignf(a.v, sign.v)}; }
inline Vec<double> copysign(Vec<double> a, Vec<double> sign) { return {__builtin_copysign(a.v, sign.v)}; }

inline std::uint32_t bits(float x) { return __builtin_bit_cast(std::uint32_t, x); }
inline std::uint64_t bits(double x) { return __builtin_bit_cast(std::uint64_t, x); }

// Adding 1.5 * 2^23 (2^52) leaves a whole number in the low bits; the shift moves it to the exponent.
inline Vec<float> pow2(Vec<float> n) {
  return {__builtin_bit_cast(float, (bits(n.v + 12582912.0f) << 23) + (127u << 23))};
}
inline Vec<double> pow2(Vec<double> n) {
  return {__builtin_bit_cast(double, (bits(n.v + 6755399441055744.0) << 52) + (1023ull << 52))};
}
inline Vec<float> exponent(Vec<float> x) { return {static_cast<float>(static_cast<int>(bits(x.v) >> 23) - 127)}; }
inline Vec<double> exponent(Vec<double> x) { return {static_cast<double>(static_cast<int>(bits(x.v) >> 52) - 1023)}; }
inline Vec<float> mantissa(Vec<float> x) { return {__builtin_bit_cast(float, (bits(x.v) & 0x7fffffu) | 0x3f800000u)}; }
inline Vec<double> mantissa(Vec<double> x) {
  return {__builtin_bit_cast(double, (bits(x.v) & 0xfffffffffffffull) | 0x3ff0000000000000ull)};
}

struct Words {
  static constexpr int kLanes = 1;
  std::uint32_t v;
};

inline Words load_words(const std::uint32_t* p) { return {*p}; }
inline void store(std::uint32_t* p, Words a) { *p = a.v; }
inline Words broadcast(std::uint32_t x) { return {x}; }
inline Words operator^(Words a, Words b) { return {a.v ^ b.v}; }
inline Words operator&(Words a, Words b) { return {a.v & b.v}; }
inline Words operator+(Words a, Words b) { return {a.v + b.v}; }
inline Words operator>>(Words a, int n) { return {a.v >> n}; }
inline Words words(Vec<float> a) { return {bits(a.v)}; }
inline Vec<float> floats(Words a) { return {__builtin_bit_cast(float, a.v)}; }
inline Words multiply(Words a, Words b, Words& high) {
  const std::uint64_t product = std::uint64_t{a.v} * b.v;
  high = {static_cast<std::uint32_t>(product >> 32)};
  return {static_cast<std::uint32_t>(product)};
}

}  // namespace
}  // namespace backpass::kernels
