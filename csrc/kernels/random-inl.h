// Philox 4x32-10 (Salmon et al. 2011), several counters at a time; compiled per instruction set.
#pragma once

#include "kernels/math-inl.h"

namespace backpass::kernels {
namespace {

// Counters computed at a time: a multiple of every vector.
constexpr int kCounters = 32;

struct PhiloxWords {
  std::uint32_t word[4][kCounters];
};

inline void philox_rounds(Words (&x)[4], std::uint64_t seed) {
  std::uint32_t key0 = static_cast<std::uint32_t>(seed), key1 = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    Words high0, high2;
    const Words low0 = multiply(x[0], broadcast(std::uint32_t{0xD2511F53u}), high0);
    const Words low2 = multiply(x[2], broadcast(std::uint32_t{0xCD9E8D57u}), high2);
    x[0] = high2 ^ x[1] ^ broadcast(key0);
    x[2] = high0 ^ x[3] ^ broadcast(key1);
    x[1] = low2;
    x[3] = low0;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}

// Counters block .. block + kCounters of the stream.
inline void philox(PhiloxWords& out, const RandomStream& stream, std::uint64_t block) {
  std::uint32_t low[kCounters], high[kCounters];
  for (int i = 0; i < kCounters; ++i) {
    const std::uint64_t counter = block + static_cast<std::uint64_t>(i);
    low[i] = static_cast<std::uint32_t>(counter);
    high[i] = static_cast<std::uint32_t>(counter >> 32);
  }
  for (int i = 0; i < kCounters; i += Words::kLanes) {
    Words x[4] = {load_words(low + i), load_words(high + i), broadcast(stream.op),
                  broadcast(static_cast<std::uint32_t>(stream.step))};
    philox_rounds(x, stream.seed);
    for (int w = 0; w < 4; ++w) store(out.word[w] + i, x[w]);
  }
}

// The least whole number that is not below drop * 2^32, as 2^32 at most.
inline std::uint64_t drop_threshold(double drop) {
  const double scaled = drop * 4294967296.0;
  if (!(scaled > 0)) return 0;
  if (scaled >= 4294967296.0) return std::uint64_t{1} << 32;
  const std::uint64_t whole = static_cast<std::uint64_t>(scaled);
  return whole + (static_cast<double>(whole) < scaled);
}

constexpr Size kDrawn = 4 * kCounters;  // numbers made at a time

// Elements first .. first + n of a stream; make(words, numbers) turns the words of some counters into kDrawn numbers.
template <class T, class Make>
inline void draw(T* out, const RandomStream& stream, std::uint64_t first, Size n, Make make) {
  Size skip = static_cast<Size>(first % 4);
  std::uint64_t block = first / 4;
  for (Size done = 0; done < n; block += kCounters, skip = 0) {
    PhiloxWords x;
    philox(x, stream, block);
    T drawn[kDrawn];
    make(x, drawn);
    const Size count = kDrawn - skip < n - done ? kDrawn - skip : n - done;
    for (Size i = 0; i < count; ++i) out[done + i] = drawn[skip + i];
    done += count;
  }
}

template <class T>
void random_keep(T* out, const RandomStream& stream, std::uint64_t first, Size n, double drop, T keep_scale) noexcept {
  const std::uint64_t threshold = drop_threshold(drop);
  // word >= threshold, with words of 32 bits: all are above 0, none is above 2^32 - 1.
  const bool none = threshold >> 32;
  const std::uint32_t limit = static_cast<std::uint32_t>(threshold);
  draw(out, stream, first, n, [=](const PhiloxWords& x, T* kept) {
    for (int i = 0; i < kCounters; ++i) {
      for (int w = 0; w < 4; ++w) kept[4 * i + w] = !none && x.word[w][i] >= limit ? keep_scale : static_cast<T>(0);
    }
  });
}

// Rational functions of Wichura 1988 (algorithm AS 241, PPND16): numerators and denominators, of (0.425^2 - q^2) near
// the centre, and of sqrt(-log(tail)) - 1.6 beyond. Words of 32 bits never reach the farther tail.
constexpr double kCentre[2][8] = {
    {3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
     4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3},
    {1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3, 2.1213794301586595867e4,
     3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3}};
constexpr double kTail[2][8] = {
    {1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
     1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4},
    {1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1, 1.48103976427480074590e-1,
     1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9}};

template <class T>
inline Vec<T> rational(Vec<T> x, const double (&c)[2][8]) {
  Vec<T> above = broadcast(static_cast<T>(c[0][7])), below = broadcast(static_cast<T>(c[1][7]));
  for (int i = 6; i >= 0; --i) {
    above = fma(above, x, broadcast(static_cast<T>(c[0][i])));
    below = fma(below, x, broadcast(static_cast<T>(c[1][i])));
  }
  return above / below;
}

// The normal quantile of 1/2 + q, where `tail` is the lesser of 1/2 + q and 1/2 - q.
template <class T>
inline Vec<T> normal_quantile(Vec<T> q, Vec<T> tail) {
  const Vec<T> zero = broadcast(static_cast<T>(0)), split = broadcast(static_cast<T>(0.425));
  const Vec<T> centre = q * rational(split * split - q * q, kCentre);
  const Vec<T> beyond = rational(sqrt(zero - log(tail)) - broadcast(static_cast<T>(1.6)), kTail);
  return select(less(split, abs(q)), select(less(q, zero), zero - beyond, beyond), centre);
}

template <class T>
void random_normal(T* out, const RandomStream& stream, std::uint64_t first, Size n) noexcept {
  draw(out, stream, first, n, [](const PhiloxWords& x, T* normal) {
    T q[kDrawn], tail[kDrawn];
    for (int i = 0; i < kCounters; ++i)
      for (int w = 0; w < 4; ++w) {
        const std::uint32_t word = x.word[w][i];
        const bool low = word < 0x80000000u;
        const double distance = (low ? word : 0xFFFFFFFFu - word) + 0.5;  // from the nearer end
        tail[4 * i + w] = static_cast<T>(distance * 0x1p-32);
        q[4 * i + w] = static_cast<T>((low ? distance - 0x1p31 : 0x1p31 - distance) * 0x1p-32);
      }
    for (Size i = 0; i < kDrawn; i += Vec<T>::kLanes) store(normal + i, normal_quantile(load(q + i), load(tail + i)));
  });
}

// As many bits as leave room for the half.
template <class T>
void random_uniform(T* out, const RandomStream& stream, std::uint64_t first, Size n) noexcept {
  constexpr int kDropped = sizeof(T) == 4 ? 9 : 0;
  constexpr T kStep = static_cast<T>(sizeof(T) == 4 ? 0x1p-23 : 0x1p-32);
  draw(out, stream, first, n, [](const PhiloxWords& x, T* uniform) {
    for (int i = 0; i < kCounters; ++i)
      for (int w = 0; w < 4; ++w)
        uniform[4 * i + w] = (static_cast<T>(x.word[w][i] >> kDropped) + static_cast<T>(0.5)) * kStep;
  });
}

}  // namespace
}  // namespace backpass::kernels
