// Asking whether a long call shall end.
#pragma once

#include "backpass/interrupt.h"

namespace backpass {

// Asks this thread's Interrupt, if there is one and it has not been asked for 50 ms; throws what that throws. Reads the
// clock: for loops whose turns take microseconds or more.
void ask_interrupt();
// Whether this thread is within a question.
bool is_asking() noexcept;

}  // namespace backpass
