// Looking at the clock within a loop of short steps.
#pragma once

#include <algorithm>
#include <chrono>

namespace backpass {

// Looks at the clock now and then, rarely where steps are short.
class Ticker {
 public:
  // Whether 50 milliseconds have passed since it last said so.
  bool due() {
    if (++count_ < stride_) return false;
    count_ = 0;
    const Clock::time_point now = Clock::now();
    stride_ = now - looked_ < std::chrono::milliseconds(2) ? std::min(stride_ * 2, 1024) : std::max(stride_ / 2, 1);
    looked_ = now;
    if (now - told_ < std::chrono::milliseconds(50)) return false;
    told_ = now;
    return true;
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point looked_ = Clock::now(), told_ = looked_;
  int count_ = 0, stride_ = 1;
};

}  // namespace backpass
