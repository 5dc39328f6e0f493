// Philox 4x32-10, the counter-based generator of Salmon et al. 2011, for draws outside the kernels.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

namespace backpass {

__extension__ using Wide = unsigned __int128;
using PhiloxBlock = std::array<std::uint32_t, 4>;

inline PhiloxBlock philox(PhiloxBlock counter, std::uint64_t seed) {
  std::uint32_t k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * counter[0], p1 = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ k0, static_cast<std::uint32_t>(p1),
               static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ k1, static_cast<std::uint32_t>(p0)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return counter;
}

// What a stream is for, so that no two uses of one seed share numbers. Dropout uses small stream numbers (op order).
enum class RandomUse : std::uint32_t { initialize = 0xFFFF0001, shuffle = 0xFFFF0002 };

// A sequence of 64-bit draws: stream (use, index) of a seed.
class RandomSequence {
 public:
  RandomSequence(std::uint64_t seed, RandomUse use, std::uint32_t index)
      : seed_(seed), use_(static_cast<std::uint32_t>(use)), index_(index) {}

  std::uint64_t next() {
    if (used_ == 2) {
      block_ =
          philox({static_cast<std::uint32_t>(count_), static_cast<std::uint32_t>(count_ >> 32), use_, index_}, seed_);
      ++count_;
      used_ = 0;
    }
    const int at = 2 * used_++;
    return block_[at] | std::uint64_t{block_[at + 1]} << 32;
  }
  // In [0, 1), 53 bits.
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  // Box and Muller 1958.
  double normal() {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
    return radius * std::cos(6.283185307179586 * uniform());
  }
  // In [0, n), without the bias of a remainder (Lemire 2019).
  std::uint64_t below(std::uint64_t n) {
    Wide product = static_cast<Wide>(next()) * n;
    if (static_cast<std::uint64_t>(product) < n) {
      const std::uint64_t threshold = (0 - n) % n;
      while (static_cast<std::uint64_t>(product) < threshold) product = static_cast<Wide>(next()) * n;
    }
    return static_cast<std::uint64_t>(product >> 64);
  }

 private:
  std::uint64_t seed_, count_ = 0;
  std::uint32_t use_, index_;
  int used_ = 2;
  PhiloxBlock block_{};
};

}  // namespace backpass
