// Hooks on gradients, as ops of a compiled recording.
#pragma once

#include "eager/walk.h"

namespace backpass::eager {

// x itself, whose gradient goes through the hooks of a node of the recording under way.
Tensor hooked(const Tensor& x, std::size_t node);

// While it lives, this thread runs the recording.
class HookedRun {
 public:
  explicit HookedRun(const Recording& recording);
  ~HookedRun();
  HookedRun(const HookedRun&) = delete;
  HookedRun& operator=(const HookedRun&) = delete;

 private:
  const Recording* outer_;
};

}  // namespace backpass::eager
