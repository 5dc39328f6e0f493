// Products of two tensors whose axes have names: what einsum and tensordot are made of.
#pragma once

#include <string>

#include "graph/rules.h"

namespace backpass {

// A tensor and a letter for each of its axes.
struct Named {
  Tensor x;
  std::string axes;

  bool has(char axis) const { return axes.find(axis) != std::string::npos; }
  Dim size(char axis) const {  // 1 where it has no such axis
    const std::size_t at = axes.find(axis);
    return at < x.shape().size() ? x.shape()[at] : 1;
  }
};

// The same with its axes in another order.
Named ordered(const Named& t, const std::string& axes);
// Summed over the axes that are not in `kept`.
Named summed(const Named& t, const std::string& kept);
// The sum of a b over the axes that both have and that are not in `kept`; every other axis is in `kept`. Their order is
// that of `kept` where this costs nothing.
Named contract(const Named& a, const Named& b, const std::string& kept, Precision precision);

}  // namespace backpass
