// From tensors to the graph of a network: what only the whole can decide.
#pragma once

#include "graph/op.h"

namespace backpass {

// A layer's place in a network: its parameters are named by its path.
struct PlacedLayer {
  std::string path;  // "0", or "0.2" within layer 0
  std::shared_ptr<const LayerUse> use;
  Tensor output;
  Tensor z() const { return use->z ? use->z : output; }
};

struct SettledGraph {
  Graph graph;
  std::vector<PlacedLayer> layers;  // in the order of their calls, those within others included
};

// What a network asks of the whole graph; absent: as each op was made.
struct SettleOptions {
  std::optional<Precision> precision = {};
  std::optional<DType> dtype = {};  // of all real tensors
  bool moves = false;               // parameters live nowhere yet, wherever those of the graph do
};

// A copy of the graph in which parameters of layers have names and initializers, and dropouts have streams of their
// own. Settling twice changes nothing.
SettledGraph settle(const Graph& graph, const SettleOptions& options = {});

}  // namespace backpass
