// Memory for runs that may be under way at the same time.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "plan/workspace.h"

namespace backpass {

// What runs of plans need, kept from one to the next, so that they allocate nothing.
struct RunMemory {
  Workspace workspace;
  std::vector<std::byte*> slots;
  std::vector<RowSource> sources;
  AlignedBuffer converted;  // arrays that cannot be read in place
};

// A memory for each run under way; those that are free, without a lock.
class Spares {
 public:
  ~Spares();
  std::unique_ptr<RunMemory> take();
  void give_back(std::unique_ptr<RunMemory> memory) noexcept;

 private:
  std::array<std::atomic<RunMemory*>, 16> free_{};
};

// One of them while a run lasts, however it ends.
class Spare {
 public:
  explicit Spare(Spares& spares) : spares_(spares), memory_(spares.take()) {}
  ~Spare() { spares_.give_back(std::move(memory_)); }
  Spare(const Spare&) = delete;
  Spare& operator=(const Spare&) = delete;
  RunMemory& operator*() const { return *memory_; }
  RunMemory* operator->() const { return memory_.get(); }

 private:
  Spares& spares_;
  std::unique_ptr<RunMemory> memory_;
};

}  // namespace backpass
