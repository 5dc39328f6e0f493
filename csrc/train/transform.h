// A batch as arrays of its own, changed by a hook before its step.
#pragma once

#include "backpass/trainer.h"
#include "train/feed.h"

namespace backpass {

class Transformed {
 public:
  using Hook = BatchTransform;
  // The batch that the hook makes of copies of these rows; stays until the next call. Throws std::invalid_argument
  // where what it makes does not fit the network and its losses.
  Feed::Batch apply(const Objective::Impl& objective, const Feed::Batch& batch, const Hook& hook);

 private:
  Array weight_;
  BatchArrays arrays_;
  ArrayViews x_;
  AllTargets targets_;
};

}  // namespace backpass
