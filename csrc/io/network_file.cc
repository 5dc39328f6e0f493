// Saving and loading networks.
#include <cstring>

#include "base/error.h"
#include "graph/op.h"
#include "io/files.h"
#include "io/graph_json.h"
#include "io/model_file.h"
#include "nn/network_impl.h"
#include "nn/sequential.h"

namespace backpass {
namespace {

std::span<const std::byte> as_bytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

std::vector<TensorEntry> entries(const Network::Impl& net) {
  std::vector<TensorEntry> all;
  for (const ParameterInfo& info : net.parameters)
    all.push_back({info.name,
                   element_type(net.dtype),
                   info.shape,
                   {net.values.data() + static_cast<std::size_t>(info.offset) * size_of(net.dtype),
                    static_cast<std::size_t>(info.size) * size_of(net.dtype)}});
  return all;
}

void copy_parameters(Network::Impl& net, const std::vector<TensorEntry>& tensors) {
  for (const TensorEntry& tensor : tensors)
    for (const ParameterInfo& info : net.parameters)
      if (info.name == tensor.name && info.size > 0)
        std::memcpy(net.values.data() + static_cast<std::size_t>(info.offset) * size_of(net.dtype), tensor.bytes.data(),
                    tensor.bytes.size());
}

Precision precision_of(const Graph& graph) {
  for (const Tensor& t : graph.ops())
    if (t.op().kind == OpKind::matmul) return t.op().precision;
  return Precision::highest;
}

// The graph that the file's layers make, where they are ours and make the file's graph; else the file's. It is the
// graph that counts: layers are for people to read.
SettledGraph with_layers(const ModelFile& file) {
  const Shape& x = file.graph.inputs().at(0).shape();
  if (!file.layers.empty() && x.size() >= 2) try {
      std::vector<Layer> layers;
      for (const auto& [type, attributes] : file.layers) layers.push_back(make_layer(type, attributes));
      SettledGraph settled =
          settle(stack_layers(Shape(x.begin() + 1, x.end()), layers, file.dtype), {precision_of(file.graph), {}});
      if (write_json(graph_to_json(settled.graph)) == write_json(graph_to_json(file.graph))) return settled;
    } catch (const std::invalid_argument&) {  // somebody's own layer, or not one after the other
    }
  return settle(file.graph);
}

}  // namespace

std::string Network::serialize() const {
  const InUse use(*impl_);
  SavedLayers layers;
  for (const LayerInfo& layer : this->layers()) layers.push_back({layer.type, layer.attributes});
  return write_model(impl_->graph, entries(*impl_), layers, impl_->dtype, impl_->seed);
}

Network Network::deserialize(std::span<const std::byte> bytes) {
  const ModelFile file = read_model(bytes);
  if (file.graph.inputs().empty()) fail("load", "the graph has no input");
  const SettledGraph settled = with_layers(file);
  Network network(settled.graph.inputs(), settled.graph.outputs(), {file.seed});
  copy_parameters(network.impl(), file.parameters);
  return network;
}

void Network::save(const std::string& path) const { replace_file(path, serialize()); }

Network Network::load(const std::string& path) { return deserialize(as_bytes(read_file(path))); }

}  // namespace backpass
