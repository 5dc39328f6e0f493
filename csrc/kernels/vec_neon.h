// Vector vocabulary for NEON on AArch64; the meaning of each function is in vec_scalar.h.
#pragma once

#include <arm_neon.h>

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
  static constexpr Size kLanes = 4;
  float32x4_t v;
};

template <>
struct Vec<double> {
  using Element = double;
  static constexpr Size kLanes = 2;
  float64x2_t v;
};

// clang-format off
inline Vec<float> load(const float* p) { return {vld1q_f32(p)}; }
inline void store(float* p, Vec<float> a) { vst1q_f32(p, a.v); }
inline Vec<float> broadcast(float x) { return {vdupq_n_f32(x)}; }
inline Vec<float> operator+(Vec<float> a, Vec<float> b) { return {vaddq_f32(a.v, b.v)}; }
inline Vec<float> operator-(Vec<float> a, Vec<float> b) { return {vsubq_f32(a.v, b.v)}; }
inline Vec<float> operator*(Vec<float> a, Vec<float> b) { return {vmulq_f32(a.v, b.v)}; }
inline Vec<float> operator/(Vec<float> a, Vec<float> b) { return {vdivq_f32(a.v, b.v)}; }
inline Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) { return {vfmaq_f32(c.v, a.v, b.v)}; }
inline Vec<float> fnma(Vec<float> a, Vec<float> b, Vec<float> c) { return {vfmsq_f32(c.v, a.v, b.v)}; }
inline Vec<float> max(Vec<float> a, Vec<float> b) { return {vmaxq_f32(a.v, b.v)}; }
inline Vec<float> min(Vec<float> a, Vec<float> b) { return {vminq_f32(a.v, b.v)}; }
inline uint32x4_t less(Vec<float> a, Vec<float> b) { return vcltq_f32(a.v, b.v); }
inline uint32x4_t equal(Vec<float> a, Vec<float> b) { return vceqq_f32(a.v, b.v); }
inline Vec<float> select(uint32x4_t mask, Vec<float> a, Vec<float> b) { return {vbslq_f32(mask, a.v, b.v)}; }
inline Vec<float> sqrt(Vec<float> a) { return {vsqrtq_f32(a.v)}; }
inline Vec<float> abs(Vec<float> a) { return {vabsq_f32(a.v)}; }
inline float sum(Vec<float> a) { return vaddvq_f32(a.v); }
inline float max_lane(Vec<float> a) { return vmaxvq_f32(a.v); }

inline Vec<double> load(const double* p) { return {vld1q_f64(p)}; }
inline void store(double* p, Vec<double> a) { vst1q_f64(p, a.v); }
inline Vec<double> broadcast(double x) { return {vdupq_n_f64(x)}; }
inline Vec<double> operator+(Vec<double> a, Vec<double> b) { return {vaddq_f64(a.v, b.v)}; }
inline Vec<double> operator-(Vec<double> a, Vec<double> b) { return {vsubq_f64(a.v, b.v)}; }
inline Vec<double> operator*(Vec<double> a, Vec<double> b) { return {vmulq_f64(a.v, b.v)}; }
inline Vec<double> operator/(Vec<double> a, Vec<double> b) { return {vdivq_f64(a.v, b.v)}; }
inline Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) { return {vfmaq_f64(c.v, a.v, b.v)}; }
inline Vec<double> fnma(Vec<double> a, Vec<double> b, Vec<double> c) { return {vfmsq_f64(c.v, a.v, b.v)}; }
inline Vec<double> max(Vec<double> a, Vec<double> b) { return {vmaxq_f64(a.v, b.v)}; }
inline Vec<double> min(Vec<double> a, Vec<double> b) { return {vminq_f64(a.v, b.v)}; }
inline uint64x2_t less(Vec<double> a, Vec<double> b) { return vcltq_f64(a.v, b.v); }
inline uint64x2_t equal(Vec<double> a, Vec<double> b) { return vceqq_f64(a.v, b.v); }
inline Vec<double> select(uint64x2_t mask, Vec<double> a, Vec<double> b) { return {vbslq_f64(mask, a.v, b.v)}; }
inline Vec<double> sqrt(Vec<double> a) { return {vsqrtq_f64(a.v)}; }
inline Vec<double> abs(Vec<double> a) { return {vabsq_f64(a.v)}; }
inline double sum(Vec<double> a) { return vaddvq_f64(a.v); }
inline double max_lane(Vec<double> a) { return vmaxvq_f64(a.v); }
inline Vec<float> copysign(Vec<float> a, Vec<float> sign) { return {vbslq_f32(vdupq_n_u32(0x80000000u), sign.v, a.v)}; }
inline Vec<double> copysign(Vec<double> a, Vec<double> sign) { return {vbslq_f64(vdupq_n_u64(1ull << 63), sign.v, a.v)}; }
// clang-format on

inline Vec<float> load_n(const float* p, Size n) {
  float32x4_t x = vdupq_n_f32(0);
  if (n > 0) x = vld1q_lane_f32(p, x, 0);
  if (n > 1) x = vld1q_lane_f32(p + 1, x, 1);
  if (n > 2) x = vld1q_lane_f32(p + 2, x, 2);
  return {x};
}

inline Vec<double> load_n(const double* p, Size n) {
  const float64x2_t zero = vdupq_n_f64(0);
  return {n > 0 ? vld1q_lane_f64(p, zero, 0) : zero};
}

inline void store_n(float* p, Vec<float> a, Size n) {
  if (n > 0) vst1q_lane_f32(p, a.v, 0);
  if (n > 1) vst1q_lane_f32(p + 1, a.v, 1);
  if (n > 2) vst1q_lane_f32(p + 2, a.v, 2);
}

inline void store_n(double* p, Vec<double> a, Size n) {
  if (n > 0) vst1q_lane_f64(p, a.v, 0);
}

// Adding 1.5 * 2^23 (2^52) leaves a whole number in the low bits; the shift moves it to the exponent.
inline Vec<float> pow2(Vec<float> n) {
  const uint32x4_t whole = vreinterpretq_u32_f32(vaddq_f32(n.v, vdupq_n_f32(12582912.0f)));
  return {vreinterpretq_f32_u32(vaddq_u32(vshlq_n_u32(whole, 23), vdupq_n_u32(127u << 23)))};
}

inline Vec<double> pow2(Vec<double> n) {
  const uint64x2_t whole = vreinterpretq_u64_f64(vaddq_f64(n.v, vdupq_n_f64(6755399441055744.0)));
  return {vreinterpretq_f64_u64(vaddq_u64(vshlq_n_u64(whole, 52), vdupq_n_u64(1023ull << 52)))};
}

inline Vec<float> exponent(Vec<float> x) {
  const uint32x4_t biased = vshrq_n_u32(vreinterpretq_u32_f32(x.v), 23);
  return {vsubq_f32(vcvtq_f32_u32(biased), vdupq_n_f32(127.0f))};
}

inline Vec<double> exponent(Vec<double> x) {
  const uint64x2_t biased = vshrq_n_u64(vreinterpretq_u64_f64(x.v), 52);
  return {vsubq_f64(vcvtq_f64_u64(biased), vdupq_n_f64(1023.0))};
}

inline Vec<float> mantissa(Vec<float> x) { return {vbslq_f32(vdupq_n_u32(0x7fffffu), x.v, vdupq_n_f32(1.0f))}; }
inline Vec<double> mantissa(Vec<double> x) {
  return {vbslq_f64(vdupq_n_u64(0xfffffffffffffull), x.v, vdupq_n_f64(1.0))};
}

inline void transpose(Vec<double> (&rows)[2]) {
  const float64x2_t low = vzip1q_f64(rows[0].v, rows[1].v);
  rows[1].v = vzip2q_f64(rows[0].v, rows[1].v);
  rows[0].v = low;
}

inline void transpose(Vec<float> (&rows)[4]) {
  const float32x4x2_t top = vtrnq_f32(rows[0].v, rows[1].v), bottom = vtrnq_f32(rows[2].v, rows[3].v);
  rows[0].v = vcombine_f32(vget_low_f32(top.val[0]), vget_low_f32(bottom.val[0]));
  rows[1].v = vcombine_f32(vget_low_f32(top.val[1]), vget_low_f32(bottom.val[1]));
  rows[2].v = vcombine_f32(vget_high_f32(top.val[0]), vget_high_f32(bottom.val[0]));
  rows[3].v = vcombine_f32(vget_high_f32(top.val[1]), vget_high_f32(bottom.val[1]));
}

struct Words {
  static constexpr int kLanes = 4;
  uint32x4_t v;
};

inline Words load_words(const std::uint32_t* p) { return {vld1q_u32(p)}; }
inline void store(std::uint32_t* p, Words a) { vst1q_u32(p, a.v); }
inline Words broadcast(std::uint32_t x) { return {vdupq_n_u32(x)}; }
inline Words operator^(Words a, Words b) { return {veorq_u32(a.v, b.v)}; }
inline Words operator&(Words a, Words b) { return {vandq_u32(a.v, b.v)}; }
inline Words operator+(Words a, Words b) { return {vaddq_u32(a.v, b.v)}; }
inline Words operator>>(Words a, int n) { return {vshlq_u32(a.v, vdupq_n_s32(-n))}; }
inline Words words(Vec<float> a) { return {vreinterpretq_u32_f32(a.v)}; }
inline Vec<float> floats(Words a) { return {vreinterpretq_f32_u32(a.v)}; }
inline Words multiply(Words a, Words b, Words& high) {
  const uint32x4_t front = vreinterpretq_u32_u64(vmull_u32(vget_low_u32(a.v), vget_low_u32(b.v)));
  const uint32x4_t back = vreinterpretq_u32_u64(vmull_high_u32(a.v, b.v));
  high = {vuzp2q_u32(front, back)};
  return {vuzp1q_u32(front, back)};
}

}  // namespace
}  // namespace backpass::kernels
