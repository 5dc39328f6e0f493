// Register allocation for programs.
#pragma once

#include "plan/calls/program.h"

namespace backpass {

// Merges scalings of scalings, then renames the temporaries so that a register is reused after the last reading of
// what it held. Sets program.registers.
void allocate_registers(Program& program);

}  // namespace backpass
