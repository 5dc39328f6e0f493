// Names, initial values, random streams and precision.
#include "nn/settle.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "graph/op_row.h"
#include "nn/activation.h"

namespace backpass {
namespace {

// The layers of a graph in the order of their calls, with their paths. A layer that is called twice keeps its first
// path.
std::vector<PlacedLayer> place_layers(const Graph& graph) {
  std::vector<PlacedLayer> layers;
  for (const Tensor& t : graph.ops())
    if (t.op().layer) layers.push_back({"", t.op().layer, t});
  std::sort(layers.begin(), layers.end(),
            [](const PlacedLayer& a, const PlacedLayer& b) { return a.use->call < b.use->call; });
  std::unordered_map<std::uint64_t, std::string> path_of_call, path_of_layer;
  int count = 0;
  for (PlacedLayer& layer : layers) {
    const LayerUse& use = *layer.use;
    const auto parent = path_of_call.find(use.parent);
    // One whose caller is not in the graph stands for itself.
    const bool by_number = use.name.empty() || (use.parent != 0 && parent == path_of_call.end());
    const std::string place = parent == path_of_call.end() ? std::to_string(count++) : "";
    std::string path = by_number ? place : use.name;
    if (parent != path_of_call.end()) path = parent->second + "." + path;
    layer.path = path_of_layer.emplace(use.layer, path).first->second;
    path_of_call[use.call] = layer.path;
  }
  return layers;
}

// What there is on the way to an op.
struct Upstream {
  bool product = false, data = false;
};

bool is_random(const Op& op) { return role(op) == Role::generator; }

class Settler {
 public:
  Settler(const Graph& graph, const SettleOptions& options)
      : graph_(graph), options_(options), layers_(place_layers(graph)) {
    for (const PlacedLayer& layer : layers_) path_of_layer_.emplace(layer.use->layer, layer.path);
    for (const Tensor& t : graph.ops())
      if (is_random(t.op()) && t.op().stream != kNextStream) next_stream_ = std::max(next_stream_, t.op().stream + 1);
  }

  SettledGraph run() {
    for (const Tensor& t : graph_.inputs())
      if (!copies_.count(&t.op())) copies_.emplace(&t.op(), copy(t));
    for (const Tensor& t : graph_.ops())
      if (!copies_.count(&t.op())) copies_.emplace(&t.op(), copy(t));
    for (PlacedLayer& layer : layers_) {
      layer.output = copies_.at(&layer.output.op());
      layer.use = layer.output.op().layer;
    }
    return {Graph(copies(graph_.inputs()), copies(graph_.outputs())), std::move(layers_)};
  }

 private:
  Tensor copy(const Tensor& t) {
    const bool kept = t.op().kind == OpKind::parameter || t.op().kind == OpKind::state;
    if (!kept) return copy_op(t);
    const auto [known, is_new] = residents_.try_emplace(resident(t.op()));
    return is_new ? known->second = copy_op(t) : known->second;
  }

  // A parameter may have come into the graph by several ops: of a layer, and of networks.
  static std::pair<const void*, Dim> resident(const Op& op) {
    const Residence& lives = *op.residence;
    return lives.home && element_count(op.shape) > 0 ? std::pair<const void*, Dim>{lives.home.get(), lives.offset}
                                                     : std::pair<const void*, Dim>{&lives, -1};
  }

  Tensor copy_op(const Tensor& t) {
    Op op = t.op();
    op.inputs = copies(op.inputs);
    if (op.layer) op.layer = copy_use(*op.layer);
    if (is_product(op)) op.precision = options_.precision.value_or(op.precision);
    if (op.dtype != DType::int32) op.dtype = options_.dtype.value_or(op.dtype);
    if (is_random(op) && op.stream == kNextStream) op.stream = next_stream_++;
    if (op.residence) settle_parameter(t, op);
    return make_tensor(std::move(op));
  }

  void settle_parameter(const Tensor& t, Op& op) {
    const Residence& lives = *op.residence;
    if (const auto path = path_of_layer_.find(lives.layer); path != path_of_layer_.end())
      op.name = path->second + "." + lives.name;
    if (options_.moves) op.residence = std::make_shared<Residence>(Residence{nullptr, 0, lives.layer, lives.name});
    if (op.initializer.name.empty()) op.initializer = choose_initializer(t);
  }

  // Without inputs that the layer ignores, where nothing else in the graph needs them.
  std::shared_ptr<const LayerUse> copy_use(const LayerUse& use) const {
    LayerUse copy = use;
    copy.inputs.clear();
    for (const Tensor& x : use.inputs)
      if (const auto found = copies_.find(&x.op()); found != copies_.end()) copy.inputs.push_back(found->second);
    const auto z = use.z ? copies_.find(&use.z.op()) : copies_.end();
    copy.z = z == copies_.end() ? Tensor() : z->second;
    return std::make_shared<const LayerUse>(std::move(copy));
  }

  std::vector<Tensor> copies(const std::vector<Tensor>& tensors) const {
    std::vector<Tensor> result;
    for (const Tensor& t : tensors) result.push_back(copies_.at(&t.op()));
    return result;
  }

  // By the first activation on the way from a weight's product to the next product; less where it is the last of
  // several. Looks only at what is reached, in the order of the ops: graphs have thousands of weights.
  Initializer choose_initializer(const Tensor& weight) {
    if (readers_.empty()) find_readers();
    enum Place : unsigned { before = 1, behind = 2 };  // the weight's product
    std::map<std::size_t, unsigned> reached;           // by number of op: what it reads
    const auto reach = [&](const Tensor& t, Place place) {
      for (const std::size_t reader : readers_[&t.op()]) reached[reader] |= place;
    };
    bool last = true, hidden = false;  // the weight is an operand of no product but the last; one is before that
    Tensor probabilities;
    for (reach(weight, before); !reached.empty(); reached.erase(reached.begin())) {
      const std::size_t number = reached.begin()->first;
      const Tensor& t = graph_.ops()[number];
      const unsigned reads = reached.begin()->second;
      const bool product = is_product(t.op());
      if (product && (reads & before)) hidden |= upstream_[number].product;
      if (product ? reads & behind : (reads & before) && upstream_[number].data) last = false;
      if (reads & before) reach(t, product ? behind : before);
      if (product || !(reads & behind)) continue;
      if (is_activation(t) && !gives_probabilities(t)) return initializer_before(probabilities ? probabilities : t);
      if (is_activation(t)) probabilities = t;
      reach(t, behind);
    }
    return last && hidden ? kInitializerOfLast : initializer_before(probabilities);
  }

  void find_readers() {
    std::unordered_map<const Op*, Upstream> of_op;
    for (std::size_t i = 0; i < graph_.ops().size(); ++i) {
      const Op& op = graph_.ops()[i].op();
      Upstream& upstream = of_op[&op];
      for (const Tensor& from : op.inputs) {
        readers_[&from.op()].push_back(i);
        const Upstream& above = of_op[&from.op()];
        upstream.product |= above.product || is_product(from.op());
        upstream.data |= above.data || from.op().kind == OpKind::input;
      }
      upstream_.push_back(upstream);
    }
  }

  const Graph& graph_;
  SettleOptions options_;
  std::vector<PlacedLayer> layers_;
  std::unordered_map<std::uint64_t, std::string> path_of_layer_;
  std::unordered_map<const Op*, Tensor> copies_;
  std::map<std::pair<const void*, Dim>, Tensor> residents_;
  std::unordered_map<const Op*, std::vector<std::size_t>> readers_;  // numbers of ops; made where somebody asks
  std::vector<Upstream> upstream_;                                   // by number of op; likewise
  std::uint32_t next_stream_ = 0;
};

}  // namespace

SettledGraph settle(const Graph& graph, const SettleOptions& options) { return Settler(graph, options).run(); }

}  // namespace backpass
