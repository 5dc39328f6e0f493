// Memory of large arrays that are gone.
#include "eager/turns.h"

#include <algorithm>
#include <mutex>

#include "base/aligned.h"

namespace backpass::eager {
namespace {

constexpr std::size_t kLeast = std::size_t{1} << 15;  // bytes; smaller ones are as quick from the system
constexpr std::size_t kMost = std::size_t{1} << 26;   // that wait in all
constexpr std::size_t kCount = 64;                    // of blocks that wait

class Waiting {
 public:
  AlignedBuffer take(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    const auto found = std::ranges::find(blocks_, round_up(bytes), &AlignedBuffer::size);
    if (found == blocks_.end()) return {};
    AlignedBuffer block = std::move(*found);
    blocks_.erase(found);
    bytes_ -= block.size();
    return block;
  }

  // The oldest make room.
  void give(AlignedBuffer block) noexcept {
    const std::lock_guard lock(mutex_);
    if (block.size() > kMost) return;
    bytes_ += block.size();
    blocks_.push_back(std::move(block));
    while (bytes_ > kMost || blocks_.size() > kCount) {
      bytes_ -= blocks_.front().size();
      blocks_.erase(blocks_.begin());
    }
  }

  Waiting() { blocks_.reserve(kCount + 1); }

 private:
  std::mutex mutex_;  // arrays may go without the host program's lock
  std::vector<AlignedBuffer> blocks_;
  std::size_t bytes_ = 0;
};

Waiting& waiting() {
  static Waiting* all = new Waiting;  // never destroyed: arrays may outlive what is
  return *all;
}

struct Lent {
  explicit Lent(std::size_t bytes) : memory(waiting().take(bytes)) {
    if (memory.data() == nullptr) memory = AlignedBuffer(bytes);
  }
  ~Lent() { waiting().give(std::move(memory)); }
  Lent(const Lent&) = delete;
  Lent& operator=(const Lent&) = delete;

  AlignedBuffer memory;
};

}  // namespace

Array unset_array(DType dtype, const Shape& shape) {
  const std::size_t bytes = static_cast<std::size_t>(element_count(shape)) * size_of(dtype);
  if (bytes < kLeast) return Array(dtype, shape);
  const auto block = std::make_shared<Lent>(bytes);
  return Array(dtype, shape, std::shared_ptr<void>(block, block->memory.data()));
}

}  // namespace backpass::eager
