// Vector vocabulary for AVX2 and FMA; the meaning of each function is in vec_scalar.h.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/table.h"

namespace backpass::kernels {
namespace {

constexpr bool kFuses = true;

template <class T>
struct Vec;

template <>
struct Vec<float> {
  using Element = float;
  static constexpr Size kLanes = 8;
  __m256 v;
};

template <>
struct Vec<double> {
  using Element = double;
  static constexpr Size kLanes = 4;
  __m256d v;
};

// A window of n ones begins 8 - n elements into the table.
alignas(64) constexpr std::int32_t kMask[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
inline __m256i first(Size n) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kMask + 8 - n)); }

// clang-format off
inline Vec<float> load(const float* p) { return {_mm256_loadu_ps(p)}; }
inline Vec<float> load_n(const float* p, Size n) { return {_mm256_maskload_ps(p, first(n))}; }
inline void store(float* p, Vec<float> a) { _mm256_storeu_ps(p, a.v); }
inline Vec<float> broadcast(float x) { return {_mm256_set1_ps(x)}; }
inline Vec<float> operator+(Vec<float> a, Vec<float> b) { return {_mm256_add_ps(a.v, b.v)}; }
inline Vec<float> operator-(Vec<float> a, Vec<float> b) { return {_mm256_sub_ps(a.v, b.v)}; }
inline Vec<float> operator*(Vec<float> a, Vec<float> b) { return {_mm256_mul_ps(a.v, b.v)}; }
inline Vec<float> operator/(Vec<float> a, Vec<float> b) { return {_mm256_div_ps(a.v, b.v)}; }
inline Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
inline Vec<float> fnma(Vec<float> a, Vec<float> b, Vec<float> c) { return {_mm256_fnmadd_ps(a.v, b.v, c.v)}; }
inline Vec<float> max(Vec<float> a, Vec<float> b) { return {_mm256_max_ps(a.v, b.v)}; }
inline Vec<float> min(Vec<float> a, Vec<float> b) { return {_mm256_min_ps(a.v, b.v)}; }
inline Vec<float> less(Vec<float> a, Vec<float> b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
inline Vec<float> equal(Vec<float> a, Vec<float> b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_EQ_OQ)}; }
inline Vec<float> select(Vec<float> mask, Vec<float> a, Vec<float> b) { return {_mm256_blendv_ps(b.v, a.v, mask.v)}; }
inline Vec<float> sqrt(Vec<float> a) { return {_mm256_sqrt_ps(a.v)}; }
inline Vec<float> abs(Vec<float> a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v)}; }

inline Vec<double> load(const double* p) { return {_mm256_loadu_pd(p)}; }
inline Vec<double> load_n(const double* p, Size n) { return {_mm256_maskload_pd(p, first(2 * n))}; }
inline void store(double* p, Vec<double> a) { _mm256_storeu_pd(p, a.v); }
inline Vec<double> broadcast(double x) { return {_mm256_set1_pd(x)}; }
inline Vec<double> operator+(Vec<double> a, Vec<double> b) { return {_mm256_add_pd(a.v, b.v)}; }
inline Vec<double> operator-(Vec<double> a, Vec<double> b) { return {_mm256_sub_pd(a.v, b.v)}; }
inline Vec<double> operator*(Vec<double> a, Vec<double> b) { return {_mm256_mul_pd(a.v, b.v)}; }
inline Vec<double> operator/(Vec<double> a, Vec<double> b) { return {_mm256_div_pd(a.v, b.v)}; }
inline Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) { return {_mm256_fmadd_pd(a.v, b.v, c.v)}; }
inline Vec<double> fnma(Vec<double> a, Vec<double> b, Vec<double> c) { return {_mm256_fnmadd_pd(a.v, b.v, c.v)}; }
inline Vec<double> max(Vec<double> a, Vec<double> b) { return {_mm256_max_pd(a.v, b.v)}; }
inline Vec<double> min(Vec<double> a, Vec<double> b) { return {_mm256_min_pd(a.v, b.v)}; }
inline Vec<double> less(Vec<double> a, Vec<double> b) { return {_mm256_cmp_pd(a.v, b.v, _CMP_LT_OQ)}; }
inline Vec<double> equal(Vec<double> a, Vec<double> b) { return {_mm256_cmp_pd(a.v, b.v, _CMP_EQ_OQ)}; }
inline Vec<double> select(Vec<double> mask, Vec<double> a, Vec<double> b) { return {_mm256_blendv_pd(b.v, a.v, mask.v)}; }
inline Vec<double> sqrt(Vec<double> a) { return {_mm256_sqrt_pd(a.v)}; }
inline Vec<double> abs(Vec<double> a) { return {_mm256_andnot_pd(_mm256_set1_pd(-0.0), a.v)}; }
// clang-format on

// Halves, quarters and a single element: masked stores are slow on some machines.
inline void store_n(float* p, Vec<float> a, Size n) {
  __m128 part = _mm256_castps256_ps128(a.v);
  if (n & 4) {
    _mm_storeu_ps(p, part);
    p += 4;
    part = _mm256_extractf128_ps(a.v, 1);
  }
  if (n & 2) {
    _mm_storel_pi(reinterpret_cast<__m64*>(p), part);
    p += 2;
    part = _mm_movehl_ps(part, part);
  }
  if (n & 1) _mm_store_ss(p, part);
}

inline void store_n(double* p, Vec<double> a, Size n) {
  __m128d part = _mm256_castpd256_pd128(a.v);
  if (n & 2) {
    _mm_storeu_pd(p, part);
    p += 2;
    part = _mm256_extractf128_pd(a.v, 1);
  }
  if (n & 1) _mm_store_sd(p, part);
}

inline Vec<float> copysign(Vec<float> a, Vec<float> sign) {
  const __m256 bit = _mm256_set1_ps(-0.0f);
  return {_mm256_or_ps(_mm256_andnot_ps(bit, a.v), _mm256_and_ps(bit, sign.v))};
}

inline Vec<double> copysign(Vec<double> a, Vec<double> sign) {
  const __m256d bit = _mm256_set1_pd(-0.0);
  return {_mm256_or_pd(_mm256_andnot_pd(bit, a.v), _mm256_and_pd(bit, sign.v))};
}

// Adding 1.5 * 2^23 (2^52) leaves a whole number in the low bits; the shift moves it to the exponent.
inline Vec<float> pow2(Vec<float> n) {
  const __m256i whole = _mm256_castps_si256(_mm256_add_ps(n.v, _mm256_set1_ps(12582912.0f)));
  return {_mm256_castsi256_ps(_mm256_add_epi32(_mm256_slli_epi32(whole, 23), _mm256_set1_epi32(127 << 23)))};
}

inline Vec<double> pow2(Vec<double> n) {
  const __m256i whole = _mm256_castpd_si256(_mm256_add_pd(n.v, _mm256_set1_pd(6755399441055744.0)));
  return {_mm256_castsi256_pd(_mm256_add_epi64(_mm256_slli_epi64(whole, 52), _mm256_set1_epi64x(1023LL << 52)))};
}

inline Vec<float> exponent(Vec<float> x) {
  const __m256i biased = _mm256_srli_epi32(_mm256_castps_si256(x.v), 23);
  return {_mm256_cvtepi32_ps(_mm256_sub_epi32(biased, _mm256_set1_epi32(127)))};
}

// There is no conversion of 64-bit integers: in the low bits of 2^52 they are one already.
inline Vec<double> exponent(Vec<double> x) {
  const __m256d base = _mm256_set1_pd(4503599627370496.0);
  const __m256i biased = _mm256_srli_epi64(_mm256_castpd_si256(x.v), 52);
  return {_mm256_sub_pd(_mm256_or_pd(_mm256_castsi256_pd(biased), base), _mm256_set1_pd(4503599627370496.0 + 1023))};
}

inline Vec<float> mantissa(Vec<float> x) {
  const __m256 fraction = _mm256_and_ps(x.v, _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffff)));
  return {_mm256_or_ps(fraction, _mm256_set1_ps(1.0f))};
}

inline Vec<double> mantissa(Vec<double> x) {
  const __m256d fraction = _mm256_and_pd(x.v, _mm256_castsi256_pd(_mm256_set1_epi64x(0xfffffffffffffLL)));
  return {_mm256_or_pd(fraction, _mm256_set1_pd(1.0))};
}

inline float sum(Vec<float> a) {
  __m128 x = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  x = _mm_add_ps(x, _mm_movehl_ps(x, x));
  return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}

inline double sum(Vec<double> a) {
  const __m128d x = _mm_add_pd(_mm256_castpd256_pd128(a.v), _mm256_extractf128_pd(a.v, 1));
  return _mm_cvtsd_f64(_mm_add_sd(x, _mm_unpackhi_pd(x, x)));
}

inline float max_lane(Vec<float> a) {
  __m128 x = _mm_max_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  x = _mm_max_ps(x, _mm_movehl_ps(x, x));
  return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
}

inline double max_lane(Vec<double> a) {
  const __m128d x = _mm_max_pd(_mm256_castpd256_pd128(a.v), _mm256_extractf128_pd(a.v, 1));
  return _mm_cvtsd_f64(_mm_max_sd(x, _mm_unpackhi_pd(x, x)));
}

inline void transpose(Vec<float> (&rows)[8]) {
  __m256 pairs[8];
  for (int i = 0; i < 4; ++i) {
    pairs[2 * i] = _mm256_unpacklo_ps(rows[2 * i].v, rows[2 * i + 1].v);
    pairs[2 * i + 1] = _mm256_unpackhi_ps(rows[2 * i].v, rows[2 * i + 1].v);
  }
  __m256 quads[8];
  for (int i = 0; i < 2; ++i) {
    quads[4 * i] = _mm256_shuffle_ps(pairs[4 * i], pairs[4 * i + 2], 0x44);
    quads[4 * i + 1] = _mm256_shuffle_ps(pairs[4 * i], pairs[4 * i + 2], 0xee);
    quads[4 * i + 2] = _mm256_shuffle_ps(pairs[4 * i + 1], pairs[4 * i + 3], 0x44);
    quads[4 * i + 3] = _mm256_shuffle_ps(pairs[4 * i + 1], pairs[4 * i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    rows[i].v = _mm256_permute2f128_ps(quads[i], quads[i + 4], 0x20);
    rows[i + 4].v = _mm256_permute2f128_ps(quads[i], quads[i + 4], 0x31);
  }
}

inline void transpose(Vec<double> (&rows)[4]) {
  const __m256d a = _mm256_unpacklo_pd(rows[0].v, rows[1].v), b = _mm256_unpackhi_pd(rows[0].v, rows[1].v);
  const __m256d c = _mm256_unpacklo_pd(rows[2].v, rows[3].v), d = _mm256_unpackhi_pd(rows[2].v, rows[3].v);
  rows[0].v = _mm256_permute2f128_pd(a, c, 0x20);
  rows[1].v = _mm256_permute2f128_pd(b, d, 0x20);
  rows[2].v = _mm256_permute2f128_pd(a, c, 0x31);
  rows[3].v = _mm256_permute2f128_pd(b, d, 0x31);
}

struct Words {
  static constexpr int kLanes = 8;
  __m256i v;
};

inline Words load_words(const std::uint32_t* p) { return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))}; }
inline void store(std::uint32_t* p, Words a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a.v); }
inline Words broadcast(std::uint32_t x) { return {_mm256_set1_epi32(static_cast<int>(x))}; }
inline Words operator^(Words a, Words b) { return {_mm256_xor_si256(a.v, b.v)}; }
inline Words operator&(Words a, Words b) { return {_mm256_and_si256(a.v, b.v)}; }
inline Words operator+(Words a, Words b) { return {_mm256_add_epi32(a.v, b.v)}; }
inline Words operator>>(Words a, int n) { return {_mm256_srli_epi32(a.v, n)}; }
inline Words words(Vec<float> a) { return {_mm256_castps_si256(a.v)}; }
inline Vec<float> floats(Words a) { return {_mm256_castsi256_ps(a.v)}; }
inline Words multiply(Words a, Words b, Words& high) {
  const __m256i even = _mm256_mul_epu32(a.v, b.v);
  const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(a.v, 32), _mm256_srli_epi64(b.v, 32));
  high = {_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa)};
  return {_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa)};
}

}  // namespace
}  // namespace backpass::kernels
