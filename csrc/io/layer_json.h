// Calls of layers as JSON, beside the ops that they end in.
#pragma once

#include <unordered_map>

#include "graph/op.h"
#include "io/json.h"

namespace backpass {

using OpNumbers = std::unordered_map<const Op*, std::size_t>;

// Numbers of layers and calls, counted within one graph: the same graph gives the same text whenever it was made.
struct UseNumbers {
  std::unordered_map<std::uint64_t, std::size_t> layers, calls;
};
UseNumbers number_uses(const Graph& graph);

// {"layer": 0, "call": 0, "name": "0", "type": "Dense", "attributes": {...}, "inputs": [0], "z": 3}; a call within
// another has its "parent".
JsonValue use_to_json(const LayerUse& use, const UseNumbers& uses, const OpNumbers& ops);
// The numbers are counted from `first`; those of a file are below `count`. Throws std::invalid_argument where it is not
// such an object, or names an op that is not among those built.
LayerUse use_from_json(const JsonValue& json, const std::vector<Tensor>& built, std::uint64_t first,
                       std::uint64_t count);

}  // namespace backpass
