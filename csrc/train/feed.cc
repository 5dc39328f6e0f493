// Batches of arrays.
#include "train/feed.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"

namespace backpass {

void order_rows(std::vector<std::int64_t>& order, bool shuffle, RandomSequence& random) {
  std::iota(order.begin(), order.end(), 0);
  if (!shuffle) return;
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
}

namespace {

void check_order(const std::vector<std::int64_t>& order, std::size_t rows) {
  std::vector<bool> seen(rows);
  std::size_t fresh = 0;
  for (const std::int64_t row : order) {
    if (row < 0 || static_cast<std::size_t>(row) >= rows || seen[static_cast<std::size_t>(row)]) break;
    seen[static_cast<std::size_t>(row)] = true;
    ++fresh;
  }
  if (order.size() != rows || fresh != rows)
    fail("fit", "the order that shuffle gives must have each of the ", rows, " rows once");
}

}  // namespace

ArrayFeed::ArrayFeed(const ArrayViews& x, const AllTargets& targets, Cut cut, Order given)
    : x_(x),
      targets_(targets),
      cut_(cut),
      given_(std::move(given)),
      order_(static_cast<std::size_t>(x[0].rows())),
      taken_(cut.drop_last ? cut.in_full_batches(order_.size()) : order_.size()) {}

void ArrayFeed::begin_epoch(RandomSequence random) {
  random_ = random;
  begin_again();
}

void ArrayFeed::begin_again() {
  done_ = 0;
  if (!given_) return order_rows(order_, cut_.shuffle, random_);
  std::vector<std::int64_t> order = given_(static_cast<Dim>(order_.size()));
  check_order(order, order_.size());
  order_ = std::move(order);
}

Dim ArrayFeed::batches() const { return (static_cast<Dim>(taken_) + cut_.batch_size - 1) / cut_.batch_size; }

Feed::Batch ArrayFeed::next() {
  const std::int64_t* rows = order_.data() + done_;
  const std::size_t count = std::min(static_cast<std::size_t>(cut_.batch_size), taken_ - done_);
  done_ += count;
  return {&x_, &targets_, rows, static_cast<Dim>(count), 0, 0, 0};
}

}  // namespace backpass
