// Where the batches of an epoch come from.
#pragma once

#include <functional>

#include "base/philox.h"
#include "train/objective_impl.h"

namespace backpass {

// A batch that it gave stays until the next call, also of over().
class Feed {
 public:
  using Batch = Objective::Impl::Batch;
  virtual ~Feed() = default;
  // `random` shuffles the rows of this epoch.
  virtual void begin_epoch(RandomSequence random) = 0;
  virtual void begin_again() = 0;  // another pass within the epoch, in another order
  virtual bool over() = 0;         // whether the pass has no rows left; may wait for some
  virtual Batch next() = 0;        // batch_size rows, fewer at the end; not where it is over
};

// How a feed cuts its rows.
struct Cut {
  Dim batch_size;
  bool shuffle;
  bool drop_last;  // whether rows at the end of an epoch that fill no batch are left out

  std::size_t in_full_batches(std::size_t rows) const { return rows - rows % static_cast<std::size_t>(batch_size); }
};

// 0, 1, 2, ... or, where asked, in another order: Fisher and Yates.
void order_rows(std::vector<std::int64_t>& order, bool shuffle, RandomSequence& random);

// Rows of arrays, in place.
class ArrayFeed final : public Feed {
 public:
  using Order = std::function<std::vector<std::int64_t>(Dim rows)>;  // of an epoch; may be empty
  ArrayFeed(const ArrayViews& x, const AllTargets& targets, Cut cut, Order given = {});
  void begin_epoch(RandomSequence random) override;
  void begin_again() override;
  bool over() override { return done_ == taken_; }
  Batch next() override;
  Dim batches() const;  // of one pass

 private:
  const ArrayViews& x_;
  const AllTargets& targets_;
  Cut cut_;
  Order given_;
  RandomSequence random_{0, RandomUse::shuffle, 0};  // of this epoch
  std::vector<std::int64_t> order_;
  std::size_t done_ = 0, taken_;  // of order_: trained on, and to train on
};

}  // namespace backpass
