// Waiting for another worker.
#pragma once

#include <sched.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace backpass {

// 6 to 20 microseconds: longer than the imbalance of a well-cut stage, shorter than a time slice.
inline constexpr int kSpins = 500;

inline void pause() noexcept {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// One turn of waiting: a pause at first, then the core is offered to others.
inline void wait_a_turn(int turn) noexcept {
  if (turn < kSpins)
    pause();
  else
    sched_yield();
}

}  // namespace backpass
