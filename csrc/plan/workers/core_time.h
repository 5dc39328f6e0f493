// How long a thread has been without a core.
#pragma once

#include <time.h>

#include <cstdint>

namespace backpass {

class CoreTime {
 public:
  // Nanoseconds since this was made in which the thread could have run and did not; sleeping counts, too.
  std::int64_t lost() const noexcept { return read(CLOCK_MONOTONIC) - wall_ - (read(CLOCK_THREAD_CPUTIME_ID) - own_); }

 private:
  static std::int64_t read(clockid_t clock) noexcept {
    timespec time;
    clock_gettime(clock, &time);
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  }

  std::int64_t wall_ = read(CLOCK_MONOTONIC), own_ = read(CLOCK_THREAD_CPUTIME_ID);
};

}  // namespace backpass
