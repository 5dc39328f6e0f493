// Philox 4x32-10 (Salmon et al. 2011), several counters at a time; compiled per instruction set.
#pragma once

#include "kernels/table.h"

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

template <class T>
void random_keep(T* out, const RandomStream& stream, std::uint64_t first, Size n, double drop, T keep_scale) noexcept {
  constexpr Size kElements = 4 * kCounters;
  const std::uint64_t threshold = drop_threshold(drop);
  // word >= threshold, with words of 32 bits: all are above 0, none is above 2^32 - 1.
  const bool none = threshold >> 32;
  const std::uint32_t limit = static_cast<std::uint32_t>(threshold);
  Size skip = static_cast<Size>(first % 4);
  std::uint64_t block = first / 4;
  for (Size done = 0; done < n; block += kCounters, skip = 0) {
    PhiloxWords x;
    philox(x, stream, block);
    T kept[kElements];
    for (int i = 0; i < kCounters; ++i) {
      for (int w = 0; w < 4; ++w) kept[4 * i + w] = !none && x.word[w][i] >= limit ? keep_scale : static_cast<T>(0);
    }
    const Size count = kElements - skip < n - done ? kElements - skip : n - done;
    for (Size i = 0; i < count; ++i) out[done + i] = kept[skip + i];
    done += count;
  }
}

}  // namespace
}  // namespace backpass::kernels
