// Compiled recordings, and the cache in which a recording of the same structure finds its plan.
#pragma once

#include "backpass/function.h"
#include "eager/walk.h"

namespace backpass::eager {

// What a run of a recording gives, by place in the recording.
struct Results {
  std::vector<std::pair<std::size_t, Array>> values, gradients;
};

// Which gradients are asked for: of all leaves that require them, as results or into the memory of their networks; or
// those by some tensors, as results by their numbers.
struct GradientWish {
  bool leaves = true;
  std::vector<Tensor> by = {};
  std::vector<Tensor> seeds = {};  // known tensors, one for each root; empty ones are ones

  void add_to(const Recording& recording, std::vector<std::uint64_t>& key) const;
};

// Computes what is wanted; states move, and gradients of parameters are added where they live.
Results run(Recording& recording, const GradientWish* gradients);

void set_around_run(void (*around)(const std::function<void()>& run));

}  // namespace backpass::eager
