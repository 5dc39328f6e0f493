// Saving and loading networks.
#include <cstring>
#include <string_view>
#include <unordered_map>

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
  for (const std::vector<ParameterInfo>* infos : {&net.parameters, &net.states})
    for (const ParameterInfo& info : *infos)
      all.push_back({info.name,
                     element_type(net.dtype),
                     info.shape,
                     {net.values_of(info), static_cast<std::size_t>(info.size) * size_of(net.dtype)}});
  return all;
}

void copy_parameters(Network::Impl& net, const std::vector<TensorEntry>& tensors) {
  std::unordered_map<std::string_view, std::span<const std::byte>> by_name;
  for (const TensorEntry& tensor : tensors) by_name.emplace(tensor.name, tensor.bytes);
  for (const std::vector<ParameterInfo>* infos : {&net.parameters, &net.states})
    for (const ParameterInfo& info : *infos) {
      const std::span<const std::byte> from = by_name.at(info.name);
      if (!from.empty()) std::memcpy(net.values_of(info), from.data(), from.size());
    }
}

}  // namespace

// What is noted of layers is for people to read; only the graph says whether they are all there is.
bool Network::is_sequential() const try {
  const Shape& x = impl_->inputs()[0].shape();
  std::vector<Layer> layers;
  for (const LayerInfo& layer : this->layers()) layers.push_back(make_layer(layer.type, layer.attributes));
  if (layers.empty() || x.size() < 2) return false;
  const Graph stack = stack_layers(Shape(x.begin() + 1, x.end()), layers, dtype());
  const SettledGraph settled = settle(stack, {precision(), dtype()});
  return write_graph(settled.graph) == write_graph(impl_->graph);
} catch (const std::invalid_argument&) {  // somebody's own layer, or not one after the other
  return false;
}

std::string Network::serialize() const {
  const InUse use(impl_->users, Use::reads);
  return write_model(impl_->graph, entries(*impl_), impl_->dtype, impl_->seed);
}

Network Network::deserialize(std::span<const std::byte> bytes) {
  const ModelFile file = read_model(bytes);
  Network network;  // without first values, which take longer to draw than the file's to copy
  network.impl_ = std::make_shared<Impl>(settle(file.graph, {}), file.seed);
  copy_parameters(network.impl(), file.parameters);
  network.impl().name_residents();
  return network;
}

void Network::save(const std::string& path) const { replace_file(path, serialize()); }

void Network::save_weights(const std::string& path) const {
  const InUse use(impl_->users, Use::reads);
  replace_file(path, write_safetensors(entries(*impl_)));
}

Network Network::load(const std::string& path) { return deserialize(as_bytes(read_file(path))); }

}  // namespace backpass
