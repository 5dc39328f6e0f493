// A model as a file: safetensors whose metadata hold the graph.
#pragma once

#include "backpass/graph.h"
#include "io/safetensors.h"

namespace backpass {

inline constexpr const char* kCheckpointFormat = "backpass checkpoint";
inline constexpr int kFormatVersion = 1;  // the newest that is read, and the one that is written

struct ModelFile {
  Graph graph;
  std::vector<TensorEntry>
      parameters;  // in the order of graph.parameters(), then of its states; views into the bytes that were read
  DType dtype = DType::float32;
  std::uint64_t seed = 0;
};

// `parameters`, and states, in any order. Throws std::invalid_argument where they are not those of the graph.
std::string write_model(const Graph& graph, const std::vector<TensorEntry>& parameters, DType dtype,
                        std::uint64_t seed);

// Throws std::invalid_argument: not safetensors, not of this library, a newer format, a graph that cannot be built,
// tensors that are not the graph's parameters.
ModelFile read_model(std::span<const std::byte> bytes);

// The tensors of any safetensors file, also a PyTorch state_dict.
std::vector<TensorEntry> read_weights(std::span<const std::byte> bytes);

}  // namespace backpass
