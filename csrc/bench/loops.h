// Two loops that show the limits of a machine, for each width of vectors: multiply-adds, and a sweep over memory.
#pragma once

#include <backpass/machine.h>

#include <cstdint>
#include <string>

namespace backpass::bench {

// Independent chains: latency times ports of any machine, and they fit sixteen registers.
inline constexpr int kChains = 12;

template <class T, int bytes>
[[gnu::always_inline]] inline T chains(T factor, std::int64_t rounds) {
  typedef T Vector __attribute__((vector_size(bytes)));
  Vector sums[kChains];
  for (int i = 0; i < kChains; ++i) sums[i] = Vector{} + static_cast<T>(i);
  for (std::int64_t round = 0; round < rounds; ++round)
    for (Vector& sum : sums) sum = sum * factor + factor;
  for (int i = 1; i < kChains; ++i) sums[0] += sums[i];
  return sums[0][0];
}

// n: a multiple of the vector.
template <class T, int bytes>
[[gnu::always_inline]] inline void triad(T* a, const T* b, const T* c, std::int64_t n) {
  typedef T Vector __attribute__((vector_size(bytes)));
  constexpr std::int64_t kLanes = bytes / sizeof(T);
  for (std::int64_t i = 0; i < n; i += kLanes)
    *reinterpret_cast<Vector*>(a + i) =
        *reinterpret_cast<const Vector*>(b + i) + *reinterpret_cast<const Vector*>(c + i) * T{0.5};
}

template <class T>
struct Loops {
  int lanes;
  T (*chains)(T factor, std::int64_t rounds);
  void (*triad)(T* a, const T* b, const T* c, std::int64_t n);
};

#if defined(__x86_64__)
template <class T>
[[gnu::target("avx2,fma")]] T chains_avx2(T factor, std::int64_t rounds) {
  return chains<T, 32>(factor, rounds);
}
template <class T>
[[gnu::target("avx2,fma")]] void triad_avx2(T* a, const T* b, const T* c, std::int64_t n) {
  triad<T, 32>(a, b, c, n);
}
template <class T>
[[gnu::target("avx512f")]] T chains_avx512(T factor, std::int64_t rounds) {
  return chains<T, 64>(factor, rounds);
}
template <class T>
[[gnu::target("avx512f")]] void triad_avx512(T* a, const T* b, const T* c, std::int64_t n) {
  triad<T, 64>(a, b, c, n);
}
#endif

template <class T>
T chains_baseline(T factor, std::int64_t rounds) {
  return chains<T, 16>(factor, rounds);
}
template <class T>
void triad_baseline(T* a, const T* b, const T* c, std::int64_t n) {
  triad<T, 16>(a, b, c, n);
}

// Those of the instruction set in use.
template <class T>
Loops<T> loops() {
#if defined(__x86_64__)
  const std::string name = isa();
  if (name == "avx2") return {32 / sizeof(T), &chains_avx2<T>, &triad_avx2<T>};
  if (name != "scalar") return {64 / sizeof(T), &chains_avx512<T>, &triad_avx512<T>};
#endif
  return {16 / sizeof(T), &chains_baseline<T>, &triad_baseline<T>};
}

}  // namespace backpass::bench
