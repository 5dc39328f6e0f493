// What a run cannot go on with: the least number of those that its tasks meet, so that the message does not depend on
// who came first.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <optional>

namespace backpass {

class FirstBad {
 public:
  bool any() const noexcept { return bad_.load(std::memory_order_relaxed) != kNone; }
  void remember(std::int64_t bad) const noexcept {
    std::int64_t known = bad_.load(std::memory_order_relaxed);
    while (bad < known && !bad_.compare_exchange_weak(known, bad)) {
    }
  }
  std::optional<std::int64_t> take() {
    const std::int64_t bad = bad_.exchange(kNone);
    return bad == kNone ? std::nullopt : std::optional(bad);
  }

 private:
  static constexpr std::int64_t kNone = std::numeric_limits<std::int64_t>::max();
  mutable std::atomic<std::int64_t> bad_{kNone};
};

}  // namespace backpass
