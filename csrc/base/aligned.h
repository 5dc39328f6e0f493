// Memory aligned for vectors and cache lines.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>

namespace backpass {

inline constexpr std::size_t kAlignment = 64;

inline constexpr std::size_t round_up(std::size_t bytes, std::size_t unit = kAlignment) {
  return (bytes + unit - 1) / unit * unit;
}

struct AlignedDelete {
  void operator()(std::byte* bytes) const { ::operator delete(bytes, std::align_val_t{kAlignment}); }
};

// A block that never moves; zeroed.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t bytes) : bytes_(round_up(bytes)) {
    if (bytes_ == 0) bytes_ = kAlignment;
    data_.reset(static_cast<std::byte*>(::operator new(bytes_, std::align_val_t{kAlignment})));
    std::memset(data_.get(), 0, bytes_);
  }
  std::byte* data() const { return data_.get(); }
  std::size_t size() const { return bytes_; }
  // A larger block, its old contents lost, where `bytes` does not fit.
  void reserve(std::size_t bytes) {
    if (bytes > bytes_ || !data_) *this = AlignedBuffer(bytes);
  }

 private:
  std::size_t bytes_ = 0;
  std::unique_ptr<std::byte, AlignedDelete> data_;
};

}  // namespace backpass
