// Waiting for the other workers.
#include "plan/barrier.h"

#include "plan/spin.h"

namespace backpass {

void Barrier::wait(int workers) noexcept {
  const unsigned round = round_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == workers) {
    arrived_.store(0, std::memory_order_relaxed);
    round_.store(round + 1, std::memory_order_release);
    return;
  }
  for (int turn = 0; round_.load(std::memory_order_acquire) == round; ++turn) wait_a_turn(turn);
}

}  // namespace backpass
