// Penalties on weights: terms of the loss in training.
#pragma once

#include <functional>
#include <string>

#include "backpass/graph.h"

namespace backpass {

// The sum of term(w) over the parameters w whose names match: '*' stands for anything, '?' for one character.
struct Penalty {
  std::string pattern = "*";
  std::function<Tensor(const Tensor& parameter)> term = {};  // gives one number
  bool per_row = false;  // divided by what the rows of a batch weigh together: their number without sample weights
};

Penalty l1(double factor, std::string pattern = "*", bool per_row = false);  // factor * sum |w|
Penalty l2(double factor, std::string pattern = "*", bool per_row = false);  // factor * sum w^2

}  // namespace backpass
