// A barrier between the workers of one walk.
#pragma once

#include <atomic>

namespace backpass {

// Spins while the others are about to come, then yields.
class Barrier {
 public:
  // Returns when `workers` workers have come. What they wrote before is seen by all after.
  void wait(int workers) noexcept;

 private:
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<unsigned> round_{0};
};

}  // namespace backpass
