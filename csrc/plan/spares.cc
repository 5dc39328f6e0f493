// Taking and giving back the memory of runs.
#include "plan/spares.h"

namespace backpass {

Spares::~Spares() {
  for (std::atomic<RunMemory*>& place : free_) delete place.load();
}

std::unique_ptr<RunMemory> Spares::take() {
  for (std::atomic<RunMemory*>& place : free_)
    if (RunMemory* memory = place.exchange(nullptr, std::memory_order_acq_rel))
      return std::unique_ptr<RunMemory>(memory);
  return std::make_unique<RunMemory>();
}

void Spares::give_back(std::unique_ptr<RunMemory> memory) noexcept {
  for (std::atomic<RunMemory*>& place : free_)
    if (RunMemory* nothing = nullptr; place.compare_exchange_strong(nothing, memory.get(), std::memory_order_acq_rel)) {
      memory.release();
      return;
    }
}

}  // namespace backpass
