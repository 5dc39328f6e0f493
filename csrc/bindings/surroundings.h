// What a traced function reads from around it.
#pragma once

#include "arrays.h"
#include "nn/in_use.h"

namespace backpass::python {

// Tensors with values, parameters where they live, and large arrays. Tensors and parameters are looked at when the
// function is called, so that later training is seen; arrays were copied when it was traced.
class Surroundings {
 public:
  Surroundings() = default;
  // Puts inputs in the places of tensors with values and of large constants that `outputs` are made from.
  explicit Surroundings(std::vector<Tensor>& outputs);

  const std::vector<Tensor>& inputs() const { return inputs_; }
  // What the inputs are now.
  std::vector<Array> values() const;

 private:
  std::vector<Tensor> inputs_, tensors_;
};

// Where the parameters and states of a function are now, and who uses these places. Throws std::invalid_argument where
// one has no value.
struct Places {
  explicit Places(const std::vector<Tensor>& leaves);
  std::vector<const void*> values;
  std::vector<Users*> users;
};

}  // namespace backpass::python
