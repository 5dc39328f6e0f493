// Running recordings.
#include "eager/compiled.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <list>
#include <memory>

#include "backpass/eager.h"
#include "base/error.h"
#include "eager/callees.h"
#include "eager/hooked.h"
#include "graph/op_row.h"
#include "nn/in_use.h"
#include "nn/network_impl.h"

namespace backpass::eager {
namespace {

constexpr std::size_t kKept = 128;           // plans
constexpr std::uint32_t kStreams = 1 << 16;  // of random numbers, for each call of a recording

// A recording as a function, and what its arguments and results are.
struct Compiled {
  struct Result {
    enum class Kind : unsigned char { value, gradient, parameter, state } kind;
    std::size_t node = 0;
    DType dtype = DType::float32;
    Shape shape = {};
    std::byte* place = nullptr;  // of a parameter's gradient, or a state
  };

  std::vector<std::uint64_t> key, numbers;
  bool lifted = false;  // numbers are arguments
  Function function;
  std::vector<std::size_t> inputs;  // places of leaves
  std::vector<std::size_t> seeds;   // which of the seeds are arguments
  // Whose gradients are results: by a node that calls it or lives in it, and whether they are all that it trains.
  std::vector<std::pair<std::size_t, bool>> trained;
  std::vector<const void*> leaves;  // parameters and states
  std::vector<Result> results;
  std::vector<std::shared_ptr<const Callee>> kept;  // losses: their addresses are part of the key

  bool writes() const {
    return !trained.empty() ||
           std::ranges::any_of(results, [](const Result& r) { return r.kind == Result::Kind::state; });
  }
};

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
      std::vector<Tensor> inputs;
      for (const Tensor& x : op.inputs) inputs.push_back(built(x));
      return callee->build(expansion_, inputs, node.recorded()->draw ? node.recorded()->draw->stream : 0);
    }
    if (takes_number(op) && lift_) return lifted(op);
    if (node.leaf && node.recorded()) {
      made_->inputs.push_back(i);
      return inputs_.emplace_back(input(op.shape, op.dtype, "tensor"));
    }
    if (node.leaf) return *node.tensor;
    Op copy = op;
    copy.layer = nullptr;
    for (Tensor& x : copy.inputs) x = built(x);
    if (role(op) == Role::generator && node.recorded() && node.recorded()->draw)
      copy.stream = node.recorded()->draw->stream;
    return make_tensor(std::move(copy));
  }

  const Tensor& built(const Tensor& x) {
    if (const Recorded* recorded = x.op().recorded.get()) return tensors_[recorded->index];
    for (std::size_t i = 0; i < tensors_.size(); ++i)
      if (&recording_.nodes[i].op() == &x.op()) return tensors_[i];
    return x;
  }

  // A number as an argument.
  Tensor lifted(const Op& op) {
    const Tensor number = numbers_.emplace_back(input({}, op.dtype, "number"));
    if (op.kind == OpKind::constant) return broadcast_to(number, op.shape);
    const Tensor& x = built(op.inputs[0]);
    return op.fn == Elementwise::shift ? x + number : x * number;
  }

  Tensor with_hooks(std::size_t i, const Tensor& t) {
    const Recorded* recorded = recording_.nodes[i].recorded();
    return wish_ && recorded && !recorded->hooks.empty() && recording_.nodes[i].active ? hooked(t, i) : t;
  }

  void note_places(std::size_t i, const Node& node, const ExpandingCallee& callee) {
    const Network* network = callee.network();
    if (!network) {
      made_->kept.push_back(node.recorded()->callee);
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
  Tensor place_of(const Tensor& x) {
    const Recorded& recorded = *x.op().recorded;
    if (const ExpandingCallee* callee = callee_of(recorded); callee && callee->parameter()) {
      const auto found =
          expansion_.parameters.find(static_cast<const ParameterPlace*>(callee)->op().op().residence.get());
      return found == expansion_.parameters.end() ? Tensor() : found->second;
    }
    if (!recording_.holds(recorded) || !recording_.nodes[recorded.index].active) return {};
    return before_hooks_[recorded.index];
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

// Those used last, found by a hash of their keys.
class Cache {
 public:
  std::shared_ptr<Compiled> find(const Recording& recording, const GradientWish* wish) {
    const std::uint64_t hash = hash_of(recording.key);
    bool other_numbers = false;
    const auto [begin, end] = by_hash_.equal_range(hash);
    for (auto entry = begin; entry != end; ++entry) {
      const std::shared_ptr<Compiled>& made = *entry->second;
      if (made->key != recording.key) continue;
      if (made->lifted || made->numbers == recording.numbers) {
        used_.splice(used_.begin(), used_, entry->second);
        return made;
      }
      other_numbers = true;
    }
    ++compiled_;
    used_.push_front(Compiler(recording, wish, other_numbers).run());
    by_hash_.emplace(hash, used_.begin());
    if (used_.size() > kKept) drop();
    return used_.front();
  }

  CacheInfo info() const { return {used_.size(), compiled_}; }

 private:
  using Used = std::list<std::shared_ptr<Compiled>>;

  static std::uint64_t hash_of(const std::vector<std::uint64_t>& key) {
    std::uint64_t hash = 0;
    for (const std::uint64_t word : key) hash = (hash ^ word) * 0x9e3779b97f4a7c15 + (hash >> 29);
    return hash;
  }

  void drop() {
    const auto last = std::prev(used_.end());
    std::erase_if(by_hash_, [&](const auto& entry) { return entry.second == last; });
    used_.erase(last);
  }

  Used used_;
  std::unordered_multimap<std::uint64_t, Used::iterator> by_hash_;
  std::size_t compiled_ = 0;
};

Cache& cache() {
  static Cache* all = new Cache;  // never destroyed: functions of the host program may be in it
  return *all;
}

void (*around_run)(const std::function<void()>&) = [](const std::function<void()>& run) { run(); };

bool is_random(const Node& node) {
  const ExpandingCallee* callee = node.callee();
  return !node.leaf && (role(node.op()) == Role::generator || (callee && callee->is_random()));
}

Draw draw_of(const Node& node) {
  if (const ExpandingCallee* callee = node.callee(); callee && callee->network()) {
    Network::Impl& net = callee->network()->impl();
    return {net.seed, net.step++, 0};
  }
  const FunctionRun next = next_draw();
  return {next.seed, next.step, 0};
}

// What random ops draw: the same as when they first ran. All of a run draw from one seed and step.
Draw draw_for(Recording& recording) {
  std::optional<Draw> drawn;
  std::uint32_t streams = 0;
  for (const Node& node : recording.nodes) {
    if (!is_random(node) || !node.recorded()->draw) continue;
    const Draw& own = *node.recorded()->draw;
    if (drawn && (drawn->seed != own.seed || drawn->step != own.step))
      fail(
          "backward",
          "random numbers of two calls have been drawn apart, because their values were asked for before: ask for them "
          "after backward, or make the calls without dropout");
    drawn = own;
    streams = std::max(streams, own.stream + kStreams);
  }
  for (const Node& node : recording.nodes) {
    if (!is_random(node) || node.recorded()->draw) continue;
    if (!drawn) drawn = draw_of(node);
    node.recorded()->draw = Draw{drawn->seed, drawn->step, streams};
    streams += kStreams;
  }
  return drawn.value_or(Draw{});
}

bool draws(const Recording& recording) { return std::ranges::any_of(recording.nodes, is_random); }

// Everybody in whose homes a recording reads or writes.
std::vector<Users*> users_of(const Recording& recording) {
  std::vector<Users*> users;
  for (const Node& node : recording.nodes)
    if (const ExpandingCallee* callee = node.callee(); callee && callee->network())
      for (Users* home : callee->network()->impl().users)
        if (std::ranges::find(users, home) == users.end()) users.push_back(home);
  return users;
}

template <class T>
void add(std::byte* sum, const Array& other) {
  T* into = reinterpret_cast<T*>(sum);
  for (const T each : other.values<T>()) *into++ += each;
}

// Where the results of a run go. Gradients of parameters go where they live if all that lies there is zero, else they
// are added to it in the end.
struct Places {
  using Kind = Compiled::Result::Kind;

  Places(const Compiled& compiled, const Recording& recording) {
    for (const auto& [node, whole] : compiled.trained) {
      const Network::Impl& net = recording.nodes[node].callee()->network()->impl();
      Home& first = *net.blocks[0].home;
      direct.push_back(whole && first.take_zero_gradients() ? &first : nullptr);
      for (const Block& block : net.blocks)
        if (!direct.back()) block.gradients();  // cleared, where they are to be zero
    }
    for (const Compiled::Result& result : compiled.results) {
      if (result.kind == Kind::parameter && direct[result.node]) {
        all.push_back(result.place);
        continue;
      }
      arrays.emplace_back(&result, Array(result.dtype, result.shape));
      all.push_back(arrays.back().second.data());
    }
  }

  ~Places() {
    if (taken) return;
    for (Home* home : direct)
      if (home) home->clear_gradients();
  }

  Results take() {
    taken = true;
    Results results;
    for (auto& [result, array] : arrays) {
      switch (result->kind) {
        case Kind::value:
          results.values.emplace_back(result->node, std::move(array));
          break;
        case Kind::gradient:
          results.gradients.emplace_back(result->node, std::move(array));
          break;
        case Kind::parameter:
          result->dtype == DType::float64 ? add<double>(result->place, array) : add<float>(result->place, array);
          break;
        case Kind::state:
          std::memcpy(result->place, array.data(), array.bytes());
          break;
      }
    }
    return results;
  }

  std::vector<Home*> direct;  // by `trained`; null where gradients are added
  std::vector<std::pair<const Compiled::Result*, Array>> arrays;
  std::vector<void*> all;
  bool taken = false;
};

Array number_array(std::uint64_t bits, DType dtype) {
  Array number(dtype, {});
  const double value = std::bit_cast<double>(bits);
  if (dtype == DType::float64)
    number.values<double>()[0] = value;
  else if (dtype == DType::float32)
    number.values<float>()[0] = static_cast<float>(value);
  else
    number.values<std::int32_t>()[0] = static_cast<std::int32_t>(value);
  return number;
}

}  // namespace

void set_around_run(void (*around)(const std::function<void()>&)) { around_run = around; }

CacheInfo cache_info() { return cache().info(); }

// Ends a key.
void GradientWish::add_to(const Recording& recording, std::vector<std::uint64_t>& key) const {
  key.push_back(leaves ? 1 : 2);
  for (const Tensor& seed : seeds) key.push_back(seed ? 1 : 0);
  for (const Tensor& x : by) {
    const Recorded& recorded = *x.op().recorded;
    const ExpandingCallee* callee = callee_of(recorded);
    const bool lives = callee && callee->parameter();
    key.push_back(lives ? callee->key() : recording.holds(recorded) ? recorded.index : ~std::uint64_t{0});
  }
}

Results run(Recording& recording, const GradientWish* wish) {
  if (wish) wish->add_to(recording, recording.key);
  const Draw draw = draws(recording) ? draw_for(recording) : Draw{};
  const std::shared_ptr<Compiled> compiled = cache().find(recording, wish);
  std::vector<ArrayView> inputs;
  for (const std::size_t i : compiled->inputs) inputs.push_back(recording.nodes[i].recorded()->value);
  for (const std::size_t r : compiled->seeds) inputs.push_back(wish->seeds[r].op().recorded->value);
  std::vector<Array> numbers;
  if (compiled->lifted) {
    const std::vector<Tensor>& given = compiled->function.graph().inputs();
    for (const std::uint64_t bits : recording.numbers)
      inputs.push_back(numbers.emplace_back(number_array(bits, given[inputs.size()].dtype())));
  }
  const std::vector<Users*> users = users_of(recording);
  const InUse used(users, compiled->writes() ? Use::changes : Use::reads);
  Places places(*compiled, recording);
  const HookedRun hooks(recording);
  around_run([&] { compiled->function.run(inputs, compiled->leaves, places.all, {draw.seed, draw.step}); });
  return places.take();
}

}  // namespace backpass::eager
