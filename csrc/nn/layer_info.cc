// What a network can tell of its layers.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "graph/op_row.h"
#include "nn/network_impl.h"

namespace backpass {
namespace {

// Layers that are not part of others.
std::vector<PlacedLayer> outermost(const std::vector<PlacedLayer>& layers) {
  std::unordered_set<std::uint64_t> calls;
  for (const PlacedLayer& layer : layers) calls.insert(layer.use->call);
  std::vector<PlacedLayer> result;
  for (const PlacedLayer& layer : layers)
    if (calls.count(layer.use->parent) == 0) result.push_back(layer);
  return result;
}

// The ops between a layer's inputs, and what other layers give, and its output.
std::vector<Tensor> inside(const PlacedLayer& layer, const std::unordered_set<const Op*>& outputs) {
  std::unordered_set<const Op*> seen;
  for (const Tensor& x : layer.use->inputs) seen.insert(&x.op());
  std::vector<Tensor> found, open{layer.output};
  while (!open.empty()) {
    const Tensor t = open.back();
    open.pop_back();
    if (!seen.insert(&t.op()).second) continue;
    if (!(t == layer.output) && outputs.count(&t.op()) > 0) continue;
    found.push_back(t);
    for (const Tensor& from : t.op().inputs) open.push_back(from);
  }
  return found;
}

// Whether a parameter of this name is one of the layer, or of a layer within it.
bool belongs(const std::string& name, const PlacedLayer& layer) { return name.rfind(layer.path + ".", 0) == 0; }

std::string name_of(const Tensor& t, const std::unordered_map<const Op*, std::string>& names) {
  if (t.op().kind == OpKind::input) return t.name();
  const auto found = names.find(&t.op());
  return found == names.end() ? "" : found->second;
}

}  // namespace

void Network::Impl::name_ends() {
  const std::vector<PlacedLayer> all = outermost(layers);
  const auto find = [&all](auto is_it) {
    const auto layer = std::ranges::find_if(all, is_it);
    return layer == all.end() ? "" : layer->use->description.type + " " + layer->path;
  };
  for (const Tensor& x : inputs())
    first_layers.push_back(
        find([&](const PlacedLayer& layer) { return std::ranges::count(layer.use->inputs, x) > 0; }));
  for (const Tensor& y : outputs())
    last_layers.push_back(find([&](const PlacedLayer& layer) { return layer.output == y; }));
}

void Network::Impl::name_residents() {
  for (const std::vector<Tensor>& held : {graph.parameters(), graph.states()})
    for (const Tensor& t : held) {
      std::size_t longest = 0;  // the innermost layer's
      for (const PlacedLayer& layer : layers) {
        if (layer.path.size() < longest || !belongs(t.name(), layer)) continue;
        longest = layer.path.size();
        t.op().residence->layer = layer.use->layer;
        t.op().residence->name = t.name().substr(longest + 1);
      }
    }
}

std::vector<LayerInfo> Network::layers() const {
  std::vector<LayerInfo> infos;
  std::unordered_set<const Op*> counted;
  std::unordered_set<const Op*> outputs;
  std::unordered_map<const Op*, std::string> names;
  for (const PlacedLayer& layer : impl_->layers) names.emplace(&layer.output.op(), layer.path);
  const std::vector<PlacedLayer> layers = outermost(impl_->layers);
  for (const PlacedLayer& layer : layers) outputs.insert(&layer.output.op());
  for (const PlacedLayer& layer : layers) {
    const Description& description = layer.use->description;
    LayerInfo info{layer.path, description.type, description.attributes, {}, layer.output.shape()};
    for (const Tensor& x : layer.use->inputs) info.inputs.push_back(name_of(x, names));
    for (const Tensor& t : inside(layer, outputs)) {
      info.flops += row_of(t.op()).flops(t);
      if (t.op().kind == OpKind::parameter && counted.insert(&t.op()).second)
        info.n_parameters += element_count(t.shape());
    }
    info.bytes = elements_per_row(layer.output) * static_cast<double>(size_of(dtype()));
    infos.push_back(std::move(info));
  }
  return infos;
}

std::vector<LayerTrace> Network::trace() const {
  std::vector<LayerTrace> traces;
  for (const PlacedLayer& layer : outermost(impl_->layers)) {
    LayerTrace trace{layer.path, layer.use->description.type, layer.z(), layer.output, {}};
    for (const Tensor& t : impl_->graph.parameters())
      if (belongs(t.name(), layer)) trace.parameters.emplace_back(t.name().substr(layer.path.size() + 1), t);
    traces.push_back(std::move(trace));
  }
  return traces;
}

}  // namespace backpass
