// Memory of large arrays that are gone.
#include "base/turns.h"

#include <algorithm>
#include <mutex>

#include "base/aligned.h"

namespace backpass {
namespace {

constexpr std::size_t kMost = std::size_t{1} << 26;  // that wait in all, or as many as are lent
constexpr std::size_t kCount = 256;                  // of blocks that wait

class Waiting {
 public:
  AlignedBuffer take(std::size_t bytes) {
    AlignedBuffer block = found(bytes);
    if (block.data() == nullptr) block = AlignedBuffer(bytes);
    const std::lock_guard lock(mutex_);
    lent_ += block.size();
    return block;
  }

  // The oldest make room. What waits never needs more memory than what is there anyway, but for kMost.
  void give(AlignedBuffer block) noexcept {
    const std::lock_guard lock(mutex_);
    lent_ -= block.size();
    bytes_ += block.size();
    blocks_.push_back(std::move(block));
    while (bytes_ > std::max(kMost, lent_) || blocks_.size() > kCount) {
      bytes_ -= blocks_.front().size();
      blocks_.erase(blocks_.begin());
    }
  }

  Waiting() { blocks_.reserve(kCount + 1); }

 private:
  AlignedBuffer found(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    const auto at = std::ranges::find(blocks_, round_up(bytes), &AlignedBuffer::size);
    if (at == blocks_.end()) return {};
    AlignedBuffer block = std::move(*at);
    blocks_.erase(at);
    bytes_ -= block.size();
    return block;
  }

  std::mutex mutex_;  // arrays may go without the host program's lock
  std::vector<AlignedBuffer> blocks_;
  std::size_t bytes_ = 0, lent_ = 0;
};

Waiting& waiting() {
  static Waiting* all = new Waiting;  // never destroyed: arrays may outlive what is
  return *all;
}

struct Lent {
  explicit Lent(std::size_t bytes) : memory(waiting().take(bytes)) {}
  ~Lent() { waiting().give(std::move(memory)); }
  Lent(const Lent&) = delete;
  Lent& operator=(const Lent&) = delete;

  AlignedBuffer memory;
};

}  // namespace

Array unset_array(DType dtype, const Shape& shape) {
  const std::size_t bytes = static_cast<std::size_t>(element_count(shape)) * size_of(dtype);
  if (bytes < kLeastReused) return Array(dtype, shape);
  const auto block = std::make_shared<Lent>(bytes);
  return Array(dtype, shape, std::shared_ptr<void>(block, block->memory.data()));
}

}  // namespace backpass
