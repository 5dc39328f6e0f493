// Recomputation: which calls of the forward pass are made again when the backward pass comes to them.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace backpass {

inline constexpr int kOnce = -1;

// A call of the forward pass, in order.
struct ForwardCall {
  struct Value {
    std::size_t bytes = 0;
    std::size_t last_use = 0;  // the last call of the forward pass that reads it; their number: the loss
    bool late = false;         // the backward pass reads it
    bool gone = false;         // chosen: it is not kept until then
  };
  std::vector<Value> values = {};
  std::vector<std::pair<std::size_t, std::size_t>> reads = {};  // of earlier calls: (call, value)
  bool kept = false;                                            // never made again
  int segment = kOnce;                                          // chosen: with which others it is made again
};

// Cuts the calls into segments, of which all but the last are made again, one after the other: what is kept is then
// what crosses a cut, and all of one segment. With equal layers that is least for about sqrt(layers) segments (Chen et
// al. 2016, "Training deep nets with sublinear memory cost"). Chooses nothing where nothing is gained.
void choose_segments(std::vector<ForwardCall>& calls);

}  // namespace backpass
