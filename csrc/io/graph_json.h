// A graph as JSON: what a saved model is made of.
#pragma once

#include <string_view>

#include "graph/op.h"
#include "io/json.h"

namespace backpass {

// An op holds its inputs, so dropping a chain of tensors recurses: a file must not choose how deep.
inline constexpr std::size_t kMaxGraphOps = 1 << 13;

// {"ops": [{"kind": "matmul", "inputs": [0, 1], "shape": ["batch", 10], "dtype": "float32", ...}, ...],
//  "inputs": [0], "outputs": [7]}: ops in topological order, each naming its inputs by their place in the list.
// Throws std::invalid_argument where the graph has more than kMaxGraphOps ops, or holds what a file cannot.
std::string write_graph(const Graph& graph);

// Rebuilds every op through the function that checks it, so a file cannot hold what no program could build.
// Throws std::invalid_argument that names the op. What was read of an op goes before the next one is read.
Graph read_graph(std::string_view text);

}  // namespace backpass
