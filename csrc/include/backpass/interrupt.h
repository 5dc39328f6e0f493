// Ending a long call from outside.
#pragma once

#include <functional>

namespace backpass {

// While it lives, long calls of its thread ask about every 50 ms whether they shall go on, between the parts of a step
// too. What `ask` throws ends the call and passes on; a step that is ended so has updated nothing. `ask` may read the
// network that is called (save, copy, predict) and must not change it.
class Interrupt {
 public:
  explicit Interrupt(std::function<void()> ask);  // empty: whoever was asked before
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

 private:
  friend void ask_interrupt();

  const std::function<void()> ask_;
  Interrupt* const outer_;
};

}  // namespace backpass
