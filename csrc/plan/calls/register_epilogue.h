// What of a product's epilogue is done while the product is in registers.
#pragma once

#include "plan/calls/program.h"

namespace backpass {

// kernels::RegisterEpilogue, by values; -1 where there is none.
struct RegisterEpilogue {
  int bias = -1;
  bool bias_by_product = false;  // of many products each has a row of its own
  bool relu = false;
  int relu_out = -1;
};

// Takes the beginning of `program` off that the kernel can do for the product in value `product`: a bias, relu, or
// relu_grad. What is left reads the result from `product`.
// Of many products each has `rows`.
RegisterEpilogue take_register_epilogue(Program& program, int product, Dim rows);

}  // namespace backpass
