// Where the results of a run go.
#pragma once

#include "eager/compiled.h"

namespace backpass::eager {

// What a run of a recording gives, by place in the recording.
struct Results {
  std::vector<std::pair<std::size_t, Array>> values, gradients;
};

// Gradients of parameters go where they live if all that lies there is zero, else they are added to it in the end.
class Places {
 public:
  Places(const Compiled& compiled, const Recording& recording);
  ~Places();
  Places(const Places&) = delete;
  Places& operator=(const Places&) = delete;

  const std::vector<void*>& all() const { return all_; }
  Results take();  // after the run: states have moved, and gradients are added

 private:
  std::vector<Home*> direct_;  // by `trained`; null where gradients are added
  std::vector<std::pair<const Compiled::Result*, Array>> arrays_;
  std::vector<void*> all_;
  bool taken_ = false;
};

}  // namespace backpass::eager
