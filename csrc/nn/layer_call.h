// Calls of layers while a network is built.
#pragma once

#include "backpass/layers.h"

namespace backpass {

// The first of so many numbers of layers and calls that nobody else has.
std::uint64_t reserve_numbers(std::uint64_t count);

// While it lives, layers called on this thread begin anew: they do not see the parameters of calls outside, nor the
// layer within which they are called.
class FreshLayers {
 public:
  FreshLayers();
  ~FreshLayers();
  FreshLayers(const FreshLayers&) = delete;
  FreshLayers& operator=(const FreshLayers&) = delete;

  std::map<std::string, Tensor>& parameters_of(std::uint64_t layer) { return parameters_[layer]; }

 private:
  std::map<std::uint64_t, std::map<std::string, Tensor>> parameters_;
  FreshLayers* outer_;
  LayerContext* outer_call_;
};

}  // namespace backpass
