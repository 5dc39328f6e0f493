// Vector vocabulary for AVX-512 (F, DQ, BW, VL); the meaning of each function is in vec_scalar.h.
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
  static constexpr Size kLanes = 16;
  __m512 v;
};

template <>
struct Vec<double> {
  using Element = double;
  static constexpr Size kLanes = 8;
  __m512d v;
};

inline __mmask16 first16(Size n) { return static_cast<__mmask16>((1u << n) - 1); }
inline __mmask8 first8(Size n) { return static_cast<__mmask8>((1u << n) - 1); }

// clang-format off
inline Vec<float> load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline Vec<float> load_n(const float* p, Size n) { return {_mm512_maskz_loadu_ps(first16(n), p)}; }
inline void store(float* p, Vec<float> a) { _mm512_storeu_ps(p, a.v); }
inline void store_n(float* p, Vec<float> a, Size n) { _mm512_mask_storeu_ps(p, first16(n), a.v); }
inline Vec<float> broadcast(float x) { return {_mm512_set1_ps(x)}; }
inline Vec<float> operator+(Vec<float> a, Vec<float> b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Vec<float> operator-(Vec<float> a, Vec<float> b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline Vec<float> operator*(Vec<float> a, Vec<float> b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Vec<float> operator/(Vec<float> a, Vec<float> b) { return {_mm512_div_ps(a.v, b.v)}; }
inline Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline Vec<float> fnma(Vec<float> a, Vec<float> b, Vec<float> c) { return {_mm512_fnmadd_ps(a.v, b.v, c.v)}; }
inline Vec<float> max(Vec<float> a, Vec<float> b) { return {_mm512_max_ps(a.v, b.v)}; }
inline Vec<float> min(Vec<float> a, Vec<float> b) { return {_mm512_min_ps(a.v, b.v)}; }
inline __mmask16 less(Vec<float> a, Vec<float> b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ); }
inline __mmask16 equal(Vec<float> a, Vec<float> b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ); }
inline Vec<float> select(__mmask16 mask, Vec<float> a, Vec<float> b) { return {_mm512_mask_blend_ps(mask, b.v, a.v)}; }
inline Vec<float> sqrt(Vec<float> a) { return {_mm512_sqrt_ps(a.v)}; }
inline Vec<float> abs(Vec<float> a) { return {_mm512_andnot_ps(_mm512_set1_ps(-0.0f), a.v)}; }

inline Vec<double> load(const double* p) { return {_mm512_loadu_pd(p)}; }
inline Vec<double> load_n(const double* p, Size n) { return {_mm512_maskz_loadu_pd(first8(n), p)}; }
inline void store(double* p, Vec<double> a) { _mm512_storeu_pd(p, a.v); }
inline void store_n(double* p, Vec<double> a, Size n) { _mm512_mask_storeu_pd(p, first8(n), a.v); }
inline Vec<double> broadcast(double x) { return {_mm512_set1_pd(x)}; }
inline Vec<double> operator+(Vec<double> a, Vec<double> b) { return {_mm512_add_pd(a.v, b.v)}; }
inline Vec<double> operator-(Vec<double> a, Vec<double> b) { return {_mm512_sub_pd(a.v, b.v)}; }
inline Vec<double> operator*(Vec<double> a, Vec<double> b) { return {_mm512_mul_pd(a.v, b.v)}; }
inline Vec<double> operator/(Vec<double> a, Vec<double> b) { return {_mm512_div_pd(a.v, b.v)}; }
inline Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) { return {_mm512_fmadd_pd(a.v, b.v, c.v)}; }
inline Vec<double> fnma(Vec<double> a, Vec<double> b, Vec<double> c) { return {_mm512_fnmadd_pd(a.v, b.v, c.v)}; }
inline Vec<double> max(Vec<double> a, Vec<double> b) { return {_mm512_max_pd(a.v, b.v)}; }
inline Vec<double> min(Vec<double> a, Vec<double> b) { return {_mm512_min_pd(a.v, b.v)}; }
inline __mmask8 less(Vec<double> a, Vec<double> b) { return _mm512_cmp_pd_mask(a.v, b.v, _CMP_LT_OQ); }
inline __mmask8 equal(Vec<double> a, Vec<double> b) { return _mm512_cmp_pd_mask(a.v, b.v, _CMP_EQ_OQ); }
inline Vec<double> select(__mmask8 mask, Vec<double> a, Vec<double> b) { return {_mm512_mask_blend_pd(mask, b.v, a.v)}; }
inline Vec<double> sqrt(Vec<double> a) { return {_mm512_sqrt_pd(a.v)}; }
inline Vec<double> abs(Vec<double> a) { return {_mm512_andnot_pd(_mm512_set1_pd(-0.0), a.v)}; }
// clang-format on

inline Vec<float> copysign(Vec<float> a, Vec<float> sign) {
  const __m512 bit = _mm512_set1_ps(-0.0f);
  return {_mm512_or_ps(_mm512_andnot_ps(bit, a.v), _mm512_and_ps(bit, sign.v))};
}

inline Vec<double> copysign(Vec<double> a, Vec<double> sign) {
  const __m512d bit = _mm512_set1_pd(-0.0);
  return {_mm512_or_pd(_mm512_andnot_pd(bit, a.v), _mm512_and_pd(bit, sign.v))};
}

// Adding 1.5 * 2^23 (2^52) leaves a whole number in the low bits; the shift moves it to the exponent.
inline Vec<float> pow2(Vec<float> n) {
  const __m512i whole = _mm512_castps_si512(_mm512_add_ps(n.v, _mm512_set1_ps(12582912.0f)));
  return {_mm512_castsi512_ps(_mm512_add_epi32(_mm512_slli_epi32(whole, 23), _mm512_set1_epi32(127 << 23)))};
}

inline Vec<double> pow2(Vec<double> n) {
  const __m512i whole = _mm512_castpd_si512(_mm512_add_pd(n.v, _mm512_set1_pd(6755399441055744.0)));
  return {_mm512_castsi512_pd(_mm512_add_epi64(_mm512_slli_epi64(whole, 52), _mm512_set1_epi64(1023LL << 52)))};
}

inline Vec<float> exponent(Vec<float> x) {
  const __m512i biased = _mm512_srli_epi32(_mm512_castps_si512(x.v), 23);
  return {_mm512_cvtepi32_ps(_mm512_sub_epi32(biased, _mm512_set1_epi32(127)))};
}

inline Vec<double> exponent(Vec<double> x) {
  const __m512i biased = _mm512_srli_epi64(_mm512_castpd_si512(x.v), 52);
  return {_mm512_cvtepi64_pd(_mm512_sub_epi64(biased, _mm512_set1_epi64(1023)))};
}

inline Vec<float> mantissa(Vec<float> x) {
  const __m512 fraction = _mm512_and_ps(x.v, _mm512_castsi512_ps(_mm512_set1_epi32(0x7fffff)));
  return {_mm512_or_ps(fraction, _mm512_set1_ps(1.0f))};
}

inline Vec<double> mantissa(Vec<double> x) {
  const __m512d fraction = _mm512_and_pd(x.v, _mm512_castsi512_pd(_mm512_set1_epi64(0xfffffffffffffLL)));
  return {_mm512_or_pd(fraction, _mm512_set1_pd(1.0))};
}

inline float sum(Vec<float> a) {
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  __m128 x = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  x = _mm_add_ps(x, _mm_movehl_ps(x, x));
  return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}

inline double sum(Vec<double> a) {
  const __m256d half = _mm256_add_pd(_mm512_castpd512_pd256(a.v), _mm512_extractf64x4_pd(a.v, 1));
  const __m128d x = _mm_add_pd(_mm256_castpd256_pd128(half), _mm256_extractf128_pd(half, 1));
  return _mm_cvtsd_f64(_mm_add_sd(x, _mm_unpackhi_pd(x, x)));
}

inline float max_lane(Vec<float> a) {
  const __m256 half = _mm256_max_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  __m128 x = _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  x = _mm_max_ps(x, _mm_movehl_ps(x, x));
  return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
}

inline double max_lane(Vec<double> a) {
  const __m256d half = _mm256_max_pd(_mm512_castpd512_pd256(a.v), _mm512_extractf64x4_pd(a.v, 1));
  const __m128d x = _mm_max_pd(_mm256_castpd256_pd128(half), _mm256_extractf128_pd(half, 1));
  return _mm_cvtsd_f64(_mm_max_sd(x, _mm_unpackhi_pd(x, x)));
}

// Four vectors of four quarters each, transposed by quarters into every `step`-th row from `at`.
inline void transpose_quarters(Vec<float>* rows, int at, int step, __m512 a, __m512 b, __m512 c, __m512 d) {
  const __m512 even_ab = _mm512_shuffle_f32x4(a, b, 0x88), odd_ab = _mm512_shuffle_f32x4(a, b, 0xdd);
  const __m512 even_cd = _mm512_shuffle_f32x4(c, d, 0x88), odd_cd = _mm512_shuffle_f32x4(c, d, 0xdd);
  rows[at].v = _mm512_shuffle_f32x4(even_ab, even_cd, 0x88);
  rows[at + step].v = _mm512_shuffle_f32x4(odd_ab, odd_cd, 0x88);
  rows[at + 2 * step].v = _mm512_shuffle_f32x4(even_ab, even_cd, 0xdd);
  rows[at + 3 * step].v = _mm512_shuffle_f32x4(odd_ab, odd_cd, 0xdd);
}

inline void transpose(Vec<float> (&rows)[16]) {
  __m512 pairs[16];
  for (int i = 0; i < 8; ++i) {
    pairs[2 * i] = _mm512_unpacklo_ps(rows[2 * i].v, rows[2 * i + 1].v);
    pairs[2 * i + 1] = _mm512_unpackhi_ps(rows[2 * i].v, rows[2 * i + 1].v);
  }
  __m512 quads[16];
  for (int i = 0; i < 4; ++i) {
    quads[4 * i] = _mm512_shuffle_ps(pairs[4 * i], pairs[4 * i + 2], 0x44);
    quads[4 * i + 1] = _mm512_shuffle_ps(pairs[4 * i], pairs[4 * i + 2], 0xee);
    quads[4 * i + 2] = _mm512_shuffle_ps(pairs[4 * i + 1], pairs[4 * i + 3], 0x44);
    quads[4 * i + 3] = _mm512_shuffle_ps(pairs[4 * i + 1], pairs[4 * i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) transpose_quarters(rows, i, 4, quads[i], quads[i + 4], quads[i + 8], quads[i + 12]);
}

inline void transpose(Vec<double> (&rows)[8]) {
  __m512 pairs[8];
  for (int i = 0; i < 4; ++i) {
    pairs[2 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(rows[2 * i].v, rows[2 * i + 1].v));
    pairs[2 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(rows[2 * i].v, rows[2 * i + 1].v));
  }
  Vec<float> halves[8];
  for (int i = 0; i < 2; ++i) transpose_quarters(halves, i, 2, pairs[i], pairs[i + 2], pairs[i + 4], pairs[i + 6]);
  for (int i = 0; i < 8; ++i) rows[i].v = _mm512_castps_pd(halves[i].v);
}

struct Words {
  static constexpr int kLanes = 16;
  __m512i v;
};

inline Words load_words(const std::uint32_t* p) { return {_mm512_loadu_si512(p)}; }
inline void store(std::uint32_t* p, Words a) { _mm512_storeu_si512(p, a.v); }
inline Words broadcast(std::uint32_t x) { return {_mm512_set1_epi32(static_cast<int>(x))}; }
inline Words operator^(Words a, Words b) { return {_mm512_xor_si512(a.v, b.v)}; }
inline Words operator&(Words a, Words b) { return {_mm512_and_si512(a.v, b.v)}; }
inline Words operator+(Words a, Words b) { return {_mm512_add_epi32(a.v, b.v)}; }
inline Words operator>>(Words a, int n) { return {_mm512_srli_epi32(a.v, static_cast<unsigned>(n))}; }
inline Words words(Vec<float> a) { return {_mm512_castps_si512(a.v)}; }
inline Vec<float> floats(Words a) { return {_mm512_castsi512_ps(a.v)}; }
inline Words multiply(Words a, Words b, Words& high) {
  const __m512i even = _mm512_mul_epu32(a.v, b.v);
  const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(a.v, 32), _mm512_srli_epi64(b.v, 32));
  high = {_mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd)};
  return {_mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32))};
}

}  // namespace
}  // namespace backpass::kernels
