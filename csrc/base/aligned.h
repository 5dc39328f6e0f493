// Memory aligned for vectors and cache lines.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>

namespace backpass {

inline constexpr std::size_t kAlignment = 64;

inline constexpr std::size_t round_up(std::size_t bytes, std::size_t unit = kAlignment) {
  return (bytes + unit - 1) / unit * unit;
}

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

// Says how much was asked for. Its text takes no memory, of which there is none.
class OutOfMemory : public std::bad_alloc {
 public:
  explicit OutOfMemory(std::size_t bytes) {
    std::snprintf(text_, sizeof text_, "[memory] %zu bytes cannot be had", bytes);
  }
  const char* what() const noexcept override { return text_; }

 private:
  char text_[64];
};

// A block that never moves; zeroed. Large ones come zeroed from the system, page by page as they are touched: so they
// are made at once, and a signal waits for none of it. Throws OutOfMemory.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t bytes) : bytes_(std::max(round_up(bytes), kAlignment)) {
    memory_.reset(std::calloc(bytes_ + kAlignment, 1));
    if (!memory_) throw OutOfMemory(bytes_);
  }
  // Null where there is nothing.
  std::byte* data() const {
    return reinterpret_cast<std::byte*>(round_up(reinterpret_cast<std::size_t>(memory_.get())));
  }
  std::size_t size() const { return bytes_; }
  // A larger block, its old contents lost, where `bytes` does not fit.
  void reserve(std::size_t bytes) {
    if (bytes > bytes_ || !memory_) *this = AlignedBuffer(bytes);
  }

 private:
  std::size_t bytes_ = 0;
  std::unique_ptr<void, Free> memory_;
};

}  // namespace backpass
