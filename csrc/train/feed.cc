// Batches of arrays.
#include "train/feed.h"

#include <algorithm>
#include <numeric>

namespace backpass {

void order_rows(std::vector<std::int64_t>& order, bool shuffle, RandomSequence& random) {
  std::iota(order.begin(), order.end(), 0);
  if (!shuffle) return;
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
}

ArrayFeed::ArrayFeed(const ArrayViews& x, const AllTargets& targets, Cut cut)
    : x_(x),
      targets_(targets),
      cut_(cut),
      order_(static_cast<std::size_t>(x[0].rows())),
      taken_(cut.drop_last ? cut.in_full_batches(order_.size()) : order_.size()) {}

void ArrayFeed::begin_epoch(RandomSequence random) {
  random_ = random;
  order();
}

void ArrayFeed::order() {
  order_rows(order_, cut_.shuffle, random_);
  done_ = 0;
}

Dim ArrayFeed::batches() const { return (static_cast<Dim>(taken_) + cut_.batch_size - 1) / cut_.batch_size; }

Feed::Batch ArrayFeed::next() {
  if (over()) order();
  const std::int64_t* rows = order_.data() + done_;
  const std::size_t count = std::min(static_cast<std::size_t>(cut_.batch_size), taken_ - done_);
  done_ += count;
  return {&x_, &targets_, rows, static_cast<Dim>(count), 0, 0, 0};
}

}  // namespace backpass
