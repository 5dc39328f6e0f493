// Writing and reading models.
#include "io/model_file.h"

#include <charconv>

#include "base/error.h"
#include "io/graph_json.h"

namespace backpass {
namespace {

constexpr const char* kModel = "model";
constexpr const char* kFormat = "backpass";

std::uint64_t read_number(const Metadata& metadata, const char* key) {
  const std::string& text = require(kModel, metadata, key);
  const char* end = text.data() + text.size();
  std::uint64_t value = 0;
  const auto result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end)
    fail(kModel, "metadata \"", key, "\" is not a number: \"", text, '"');
  return value;
}

void refuse_checkpoint(const char* who, const Metadata& metadata) {
  const auto format = metadata.find("format");
  if (format != metadata.end() && format->second == kCheckpointFormat)
    fail(who, "the file is a checkpoint of a fit: fit with resume= goes on from it, and save() then writes the model");
}

void check_format(const Metadata& metadata) {
  refuse_checkpoint(kModel, metadata);
  const auto format = metadata.find("format");
  if (format == metadata.end() || format->second != kFormat) {
    fail(kModel, "not a model of this library; load_weights() reads the tensors of other safetensors files");
  }
  const std::uint64_t version = read_number(metadata, "format_version");
  if (version == 0 || version > kFormatVersion) {
    fail(kModel, "the file has format version ", version, "; this version of backpass reads 1 to ", kFormatVersion);
  }
}

// An error within embedded JSON says so.
Graph read_embedded_graph(const std::string& text) try {
  return read_graph(text);
} catch (const std::invalid_argument& error) {
  fail(kModel, "graph: ", error.what());
}

// What could not be loaded is not saved: the reader decides, so that the two cannot differ.
std::string write_readable_graph(const Graph& graph) {
  std::string text = write_graph(graph);
  try {
    read_graph(text);
  } catch (const std::invalid_argument& error) {
    fail(kModel, "cannot be saved, for it could not be loaded again: ", error.what());
  }
  return text;
}

void check_match(const Tensor& parameter, const TensorEntry& tensor, DType dtype) {
  if (tensor.shape != parameter.shape()) {
    fail(kModel, "parameter \"", tensor.name, "\" has shape ", to_string(parameter.shape()), " in the graph, ",
         to_string(tensor.shape), " as a tensor");
  }
  if (tensor.type != element_type(dtype) || parameter.dtype() != dtype) {
    fail(kModel, "parameter \"", tensor.name, "\" is not ", name(dtype), " throughout");
  }
}

// The tensors in the order of the graph's parameters and states, one for each.
std::vector<TensorEntry> match(const Graph& graph, const std::vector<TensorEntry>& tensors, DType dtype) {
  std::map<std::string, const TensorEntry*> by_name;
  for (const TensorEntry& tensor : tensors) {
    if (!by_name.emplace(tensor.name, &tensor).second) fail(kModel, "two tensors are named \"", tensor.name, '"');
  }
  std::vector<TensorEntry> ordered;
  std::vector<Tensor> kept = graph.parameters();
  for (const Tensor& state : graph.states()) kept.push_back(state);
  for (const Tensor& parameter : kept) {
    const auto found = by_name.find(parameter.name());
    if (found == by_name.end()) fail(kModel, "no tensor is left for parameter \"", parameter.name(), '"');
    check_match(parameter, *found->second, dtype);
    ordered.push_back(*found->second);
    by_name.erase(found);  // so that two parameters of one name are refused
  }
  if (!by_name.empty()) fail(kModel, "tensor \"", by_name.begin()->first, "\" is no parameter of the graph");
  return ordered;
}

}  // namespace

std::string write_model(const Graph& graph, const std::vector<TensorEntry>& parameters, DType dtype,
                        std::uint64_t seed) {
  const Metadata metadata = {{"format", kFormat},
                             {"format_version", std::to_string(kFormatVersion)},
                             {"graph", write_readable_graph(graph)},
                             {"dtype", name(dtype)},
                             {"seed", std::to_string(seed)}};
  return write_safetensors(match(graph, parameters, dtype), metadata);
}

ModelFile read_model(std::span<const std::byte> bytes) {
  const SafetensorsFile file = parse_safetensors(bytes);
  check_format(file.metadata);
  const DType dtype = parse_dtype(require(kModel, file.metadata, "dtype"));
  ModelFile model{.graph = read_embedded_graph(require(kModel, file.metadata, "graph")),
                  .parameters = {},
                  .dtype = dtype,
                  .seed = read_number(file.metadata, "seed")};
  model.parameters = match(model.graph, file.tensors, dtype);
  return model;
}

std::vector<TensorEntry> read_weights(std::span<const std::byte> bytes) {
  SafetensorsFile file = parse_safetensors(bytes);
  refuse_checkpoint("load_weights", file.metadata);
  return std::move(file.tensors);
}

}  // namespace backpass
