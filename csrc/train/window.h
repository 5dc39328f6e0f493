// Rows of some chunks of a stream, side by side and in the order in which they are trained on.
#pragma once

#include "train/column.h"
#include "train/feed.h"

namespace backpass {

class Window {
 public:
  // Copies rows of checked data to the end; rows: null for the first ones. Throws std::invalid_argument where it is not
  // like what is there: labels or values, with weights or without.
  void append(const Network::Impl& net, const ArrayViews& x, const AllTargets& targets, const std::int64_t* rows,
              Dim count);
  // Takes what is there as complete: orders it, and keeps back what fills no batch, unless it is the last of an epoch
  // that leaves nothing out.
  void close(const Cut& cut, bool last, RandomSequence& random);
  // To the end of another.
  void append_rest(const Network::Impl& net, Window& to) const;

  Dim rows() const { return x_.empty() ? 0 : x_[0].rows(); }
  bool over() const { return done_ == taken_; }
  Feed::Batch next(Dim batch_size);

 private:
  void begin(const Network::Impl& net, const AllTargets& targets);

  std::vector<Column> x_, y_;
  Column weight_;
  bool weighted_ = false;
  ArrayViews views_;
  AllTargets targets_;
  std::vector<std::int64_t> order_;
  std::size_t done_ = 0, taken_ = 0;  // of order_: trained on, and to train on
};

}  // namespace backpass
