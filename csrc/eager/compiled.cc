// From a recording to a function.
#include "eager/compiled.h"

#include <algorithm>

#include "eager/callees.h"
#include "eager/hooked.h"
#include "graph/op_row.h"
#include "nn/network_impl.h"

namespace backpass::eager {
namespace {

class Compiler {
 public:
  Compiler(const Recording& recording, const GradientWish* wish, bool lift)
      : recording_(recording), wish_(wish), lift_(lift) {}

  std::shared_ptr<Compiled> run() {
    made_->key = recording_.key;
    made_->numbers = recording_.numbers;
    made_->lifted = lift_;
    for (std::size_t i = 0; i < recording_.nodes.size(); ++i) {
      before_hooks_.push_back(build(i));
      tensors_.push_back(with_hooks(i, before_hooks_.back()));
    }
    for (std::size_t i = 0; i < recording_.nodes.size(); ++i)
      if (recording_.nodes[i].wanted) add(Compiled::Result::Kind::value, i, tensors_[i]);
    if (wish_) add_gradients();
    for (const StateMove& move : expansion_.moves) {
      const Tensor next = expansion_.state(move.state);
      made_->results.push_back({Compiled::Result::Kind::state, 0, next.dtype(), next.shape(), move.place});
      outputs_.push_back(next);
    }
    for (Tensor& x : numbers_) inputs_.push_back(x);
    made_->rows = rows_;
    made_->function = Function(Graph(std::move(inputs_), std::move(outputs_)), true, "backpass", rows_);
    for (const Tensor& leaf : made_->function.leaves()) made_->leaves.push_back(home_values(leaf.op()));
    return made_;
  }

 private:
  void add(Compiled::Result::Kind kind, std::size_t node, const Tensor& y) {
    made_->results.push_back({kind, node, y.dtype(), y.shape(), nullptr});
    outputs_.push_back(y);
  }

  Tensor build(std::size_t i) {
    const Node& node = recording_.nodes[i];
    const Op& op = node.op();
    if (const ExpandingCallee* callee = node.callee(); callee && (!node.leaf || callee->parameter())) {
      note_places(i, node, *callee);
      return callee->build(expansion_, inputs_of(node), node.recorded()->draw ? node.recorded()->draw->stream : 0);
    }
    if (takes_number(op) && lift_) return lifted(node);
    if (node.leaf && node.recorded()) {
      made_->inputs.push_back(i);
      return inputs_.emplace_back(input(op.shape, op.dtype, "tensor"));
    }
    if (node.leaf) return node.tensor;
    Op copy = op;
    copy.layer = nullptr;
    copy.inputs = inputs_of(node);
    if (role(op) == Role::generator && node.recorded() && node.recorded()->draw)
      copy.stream = node.recorded()->draw->stream;
    return make_tensor(std::move(copy));
  }

  std::vector<Tensor> inputs_of(const Node& node) const {
    std::vector<Tensor> inputs;
    for (const std::size_t i : recording_.inputs_of(node)) inputs.push_back(tensors_[i]);
    return inputs;
  }

  // A number as an argument.
  Tensor lifted(const Node& node) {
    const Op& op = node.op();
    const Tensor number = numbers_.emplace_back(input({}, op.dtype, "number"));
    if (op.kind == OpKind::constant) return broadcast_to(number, op.shape);
    const Tensor& x = tensors_[recording_.inputs_of(node)[0]];
    return op.fn == Elementwise::shift ? x + number : x * number;
  }

  Tensor with_hooks(std::size_t i, const Tensor& t) {
    const Recorded* recorded = recording_.nodes[i].recorded();
    return wish_ && recorded && !recorded->hooks.empty() && recording_.nodes[i].active ? hooked(t, i) : t;
  }

  void note_places(std::size_t i, const Node& node, const ExpandingCallee& callee) {
    const Network* network = callee.network();
    if (!network) {
      made_->kept.push_back(node.called);
      return;
    }
    const Network::Impl& net = network->impl();
    if (!callee.parameter()) rows_ = std::max(rows_, node.op().shape[0]);
    if (!node.active || !node.recorded()->requires_grad) return;
    if (!callee.parameter())
      for (const Tensor& t : net.trained()) add_sink(i, *network, t);
    else if (net.frozen.count(callee.parameter()->name) == 0)
      add_sink(i, *network, static_cast<const ParameterPlace&>(callee).op());
  }

  void add_sink(std::size_t node, const Network& network, const Tensor& own) {
    const Tensor& parameter = expansion_.parameter(own, false);
    for (const Sink& sink : sinks_)
      if (sink.parameter == parameter) return;
    sinks_.push_back({parameter, &network.impl(), node, home_gradients(parameter.op())});
  }

  void add_gradients() {
    std::vector<Tensor> ys, seeds;
    for (std::size_t r = 0; r < recording_.roots.size(); ++r) {
      const Tensor& y = tensors_[recording_.roots[r]];
      ys.push_back(y);
      if (wish_->seeds[r]) {
        made_->seeds.push_back(r);
        seeds.push_back(input(y.shape(), y.dtype(), "gradient"));
      } else {
        seeds.push_back(constant(1.0, y.shape(), y.dtype()));
      }
    }
    for (const std::size_t r : made_->seeds) inputs_.push_back(seeds[r]);
    wish_->leaves ? add_leaf_gradients(ys, seeds) : add_gradients_by(ys, seeds);
  }

  void add_leaf_gradients(const std::vector<Tensor>& ys, const std::vector<Tensor>& seeds) {
    std::vector<std::size_t> nodes;
    std::vector<Tensor> xs;
    for (std::size_t i = 0; i < recording_.nodes.size(); ++i)
      if (keeps_gradient(recording_.nodes[i])) nodes.push_back(i);
    for (const std::size_t i : nodes) xs.push_back(before_hooks_[i]);
    for (const Sink& sink : sinks_) xs.push_back(sink.parameter);
    const std::vector<Tensor> grads = gradients_of_all(ys, xs, seeds);
    for (std::size_t k = 0; k < nodes.size(); ++k) add(Compiled::Result::Kind::gradient, nodes[k], grads[k]);
    for (std::size_t k = nodes.size(); k < grads.size(); ++k) {
      const Sink& sink = sinks_[k - nodes.size()];
      made_->results.push_back({Compiled::Result::Kind::parameter, find_trained(*sink.network, sink.node),
                                grads[k].dtype(), grads[k].shape(), sink.place});
      outputs_.push_back(grads[k]);
    }
  }

  void add_gradients_by(const std::vector<Tensor>& ys, const std::vector<Tensor>& seeds) {
    std::vector<std::size_t> asked;
    std::vector<Tensor> xs;
    for (std::size_t k = 0; k < wish_->by.size(); ++k) {
      const Tensor x = place_of(wish_->by[k]);
      if (!x) continue;
      xs.push_back(x);
      asked.push_back(k);
    }
    const std::vector<Tensor> grads = gradients_of_all(ys, xs, seeds);
    for (std::size_t k = 0; k < grads.size(); ++k) add(Compiled::Result::Kind::gradient, asked[k], grads[k]);
  }

  // What stands for a tensor here; an empty one where no gradient comes to it.
  Tensor place_of(const GradientWish::By& x) {
    if (x.lives) {
      const auto found = expansion_.parameters.find(x.lives->op().op().residence.get());
      return found == expansion_.parameters.end() ? Tensor() : found->second;
    }
    return x.node && recording_.nodes[*x.node].active ? before_hooks_[*x.node] : Tensor();
  }

  static bool keeps_gradient(const Node& node) {
    const Recorded* recorded = node.recorded();
    if (!recorded || !node.active || !recorded->requires_grad) return false;
    if (recorded->leaf) return !node.callee();
    return recorded->retains_grad;
  }

  // The place of a network among those that are trained.
  std::size_t find_trained(const Network::Impl& network, std::size_t node) {
    for (std::size_t k = 0; k < trained_.size(); ++k)
      if (trained_[k] == &network) return k;
    const auto own = std::ranges::count_if(sinks_, [&](const Sink& sink) { return sink.network == &network; });
    trained_.push_back(&network);
    const bool all = static_cast<std::size_t>(own) == network.parameters.size() && network.blocks.size() == 1;
    made_->trained.emplace_back(node, all && network.n_parameters == network.blocks[0].home->n_parameters);
    return trained_.size() - 1;
  }

  struct Sink {
    Tensor parameter;
    const Network::Impl* network;
    std::size_t node;
    std::byte* place;
  };

  const Recording& recording_;
  const GradientWish* wish_;
  const bool lift_;
  Dim rows_ = 0;  // of the largest batch
  const std::shared_ptr<Compiled> made_ = std::make_shared<Compiled>();
  Expansion expansion_;
  std::vector<Tensor> before_hooks_, tensors_;  // by node: what gradients are asked for, and what is read
  std::vector<Tensor> inputs_, outputs_, numbers_;
  std::vector<Sink> sinks_;
  std::vector<const Network::Impl*> trained_;
};

}  // namespace

GradientWish::GradientWish(const Recording& recording, const std::vector<Tensor>& xs, std::vector<Tensor> given_seeds)
    : leaves(false), seeds(std::move(given_seeds)) {
  for (const Tensor& x : xs) {
    const Recorded& recorded = *x.op().recorded;
    if (const ExpandingCallee* callee = callee_of(recorded); callee && callee->parameter())
      by.push_back({std::static_pointer_cast<const ParameterPlace>(recorded.callee), {}});
    else if (recording.holds(recorded))
      by.push_back({nullptr, recorded.index});
    else
      by.emplace_back();
  }
}

void GradientWish::add_to(std::vector<std::uint64_t>& key) const {
  key.push_back(leaves ? 1 : 2);
  for (const Tensor& seed : seeds) key.push_back(seed ? 1 : 0);
  for (const By& x : by) key.push_back(x.lives ? x.lives->key() : x.node.value_or(~std::size_t{0}));
}

std::shared_ptr<const Compiled> compiled(const Recording& recording, const GradientWish* wish, bool lift) {
  return Compiler(recording, wish, lift).run();
}

}  // namespace backpass::eager
