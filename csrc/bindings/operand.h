// Operands beside tensors: numbers and arrays that stand for tensors.
#pragma once

#include <pybind11/stl.h>

#include <variant>

#include "arrays.h"

namespace backpass::python {

// A tensor, or a number or an array that stands for a tensor of another one's type.
using Operand = std::variant<Tensor, double, py::array>;

// As operators of tensors take what stands beside them: an array is a tensor with a value beside one that has some,
// otherwise a constant of the graph.
Tensor as_tensor(const Operand& x, const Tensor& beside);

// TypeError where there is none.
const Tensor& first_tensor(const char* who, const std::vector<Operand>& operands);

std::vector<Tensor> tensors_of(const char* who, const std::vector<Operand>& operands);

}  // namespace backpass::python
