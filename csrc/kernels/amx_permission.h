// Leave to use the tiles of AMX: the operating system gives their registers to processes that ask.
#pragma once

#include "kernels/table.h"

namespace backpass::kernels {

// What has to hold, asked in this order until one does not.
struct AmxProbes {
  bool (*offered)();    // this build and the processor have them, and the operating system saves them
  bool (*permitted)();  // it gives them to this process
  bool (*correct)();    // a product on them is right
};
bool amx_works(const AmxProbes& probes);

// All of that for this machine: asked when it is first wanted, once for the process. Without leave, products take FMA.
bool amx_permitted();

// Whether every path of split operands gives a product of known numbers, as plain loops do.
bool split_products_are_right(const Kernels<float>& kernels);

}  // namespace backpass::kernels
