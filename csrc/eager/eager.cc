// Eager tensors: values, gradients, hooks.
#include "backpass/eager.h"

#include <algorithm>
#include <cstring>

#include "base/convert.h"
#include "base/error.h"
#include "eager/callees.h"
#include "eager/dense.h"
#include "eager/drawn.h"
#include "eager/run.h"
#include "graph/reach.h"
#include "nn/in_use.h"
#include "nn/network_impl.h"

namespace backpass::eager {
namespace {

Recorded& recorded_of(const Tensor& t) {
  if (!is_eager(t)) fail("Tensor", "has no value while a graph is built");
  return *t.op().recorded;
}

bool lives_in_network(const Tensor& t) {
  if (!is_eager(t)) return false;
  const ExpandingCallee* callee = callee_of(*t.op().recorded);
  return callee && callee->parameter();
}

bool is_frozen(const Tensor& parameter) {
  const ExpandingCallee* place = callee_of(*parameter.op().recorded);
  const std::set<std::string>& frozen = place->network()->impl().frozen;
  return !frozen.empty() && frozen.count(place->parameter()->name) > 0;
}

void keep_values(const Recording& recording, std::vector<std::pair<std::size_t, Array>>& values) {
  std::vector<Tensor> done;
  for (auto& [i, array] : values) {
    const Node& node = recording.nodes[i];
    node.recorded()->value = std::move(array);
    node.recorded()->known = true;
    if (!node.recorded()->requires_grad) done.push_back(node.tensor);
  }
  for (const Tensor& t : done) forget_inputs(t);
}

// `roots_wanted`: even where nobody but the caller holds them.
void compute(std::span<const Tensor> roots, bool roots_wanted, long holders) {
  Recording recording = walk(roots, Purpose::values, roots_wanted, holders);
  Results results = run(recording, nullptr);
  keep_values(recording, results.values);
}

void compute_deep(const Tensor& t) { value(t); }

struct Registered {
  Registered() { set_computer(&compute_deep); }
};
const Registered registered;

void free_recording(const Recording& recording) {
  std::vector<Tensor> freed;
  for (const Node& node : recording.nodes)
    if (!node.leaf && node.active) freed.push_back(node.tensor);
  for (const Tensor& t : freed) {
    t.op().recorded->freed = true;
    forget_inputs(t);
  }
}

template <class T>
void add_elements(Array& sum, const Array& other) {
  const auto into = sum.values<T>();
  const auto from = other.values<T>();
  for (std::size_t i = 0; i < into.size(); ++i) into[i] += from[i];
}

// Into an array of its own: who holds the one before keeps it.
void add_gradient(Recorded& recorded, Array gradient) {
  if (recorded.grad && recorded.grad.shared().use_count() > 1) settle();  // other threads may add meanwhile
  if (!recorded.grad) {
    recorded.grad = known_tensor(std::move(gradient));
    return;
  }
  Array& sum = recorded.grad.op().recorded->value;
  gradient.dtype() == DType::float64 ? add_elements<double>(gradient, sum) : add_elements<float>(gradient, sum);
  sum = std::move(gradient);
}

void check_seed(const Tensor& y, const Tensor& seed) {
  if (seed.shape() != y.shape() || seed.dtype() != y.dtype())
    fail("backward", "gradient must have shape ", to_string(y.shape()), " and ", name(y.dtype()), ", got ",
         to_string(seed.shape()), " and ", name(seed.dtype()));
}

Tensor checked_seed(const Tensor& y, const Tensor& seed) {
  if (!seed) {
    if (element_count(y.shape()) != 1)
      fail("backward", "needs a gradient where the tensor is not one number: it has shape ", to_string(y.shape()));
    return seed;
  }
  check_seed(y, seed);
  value(seed);
  return seed;
}

void check_differentiable(const Tensor& y) {
  const Recorded& recorded = recorded_of(y);
  if (recorded.freed)
    fail("backward",
         "a backward has let go of what this was made from: backward with retain_graph keeps it for another one");
  if (!recorded.requires_grad)
    fail("backward",
         "the tensor follows from nothing that requires a gradient: a tensor made with requires_grad, or a model, and "
         "not within no_grad");
}

}  // namespace

Tensor tensor(const ArrayView& values, DType dtype, bool requires_grad) {
  if (requires_grad && dtype == DType::int32) fail("tensor", "only float32 and float64 can require a gradient");
  return known_tensor(dense("tensor", values, dtype), requires_grad);
}

bool is_eager(const Tensor& t) { return t && t.op().recorded != nullptr; }
bool has_value(const Tensor& t) {
  return is_eager(t) || (t && !t.op().open && std::ranges::find(t.shape(), kBatch) == t.shape().end());
}
bool requires_grad(const Tensor& t) {
  if (!is_eager(t) || !t.op().recorded->requires_grad) return false;
  return !lives_in_network(t) || !is_frozen(t);
}
bool is_leaf(const Tensor& t) { return is_eager(t) && (t.op().recorded->leaf || !t.op().recorded->requires_grad); }

void set_requires_grad(const Tensor& t, bool on) {
  if (on && !is_eager(t) && has_value(t))
    fail("requires_grad",
         "a constant may be part of graphs: a tensor made with requires_grad is a leaf with its value");
  Recorded& recorded = recorded_of(t);
  if (on && t.dtype() == DType::int32) fail("requires_grad", "only float32 and float64 can require a gradient");
  if (requires_grad(t) == on) return;
  if (lives_in_network(t)) {
    Network network = *callee_of(recorded)->network();
    const std::string& name = callee_of(recorded)->parameter()->name;
    return on ? network.unfreeze({name}) : network.freeze({name});
  }
  if (!on && !recorded.leaf) fail("requires_grad", "is that of a leaf to change: detach() gives one");
  if (on) {
    value(t);  // a leaf from now on
    recorded.leaf = true;
  }
  recorded.requires_grad = on;
}

void retain_grad(const Tensor& t) {
  if (!requires_grad(t)) fail("retain_grad", "the tensor requires no gradient");
  recorded_of(t).retains_grad = true;
}

Array value(const Tensor& t) {
  draw(t);
  // Graphs may hold it: it stays as it is.
  if (!is_eager(t) && has_value(t))
    return value(make_tensor({.kind = OpKind::reshape, .inputs = {t}, .shape = t.shape(), .dtype = t.dtype()},
                             std::make_shared<Recorded>()));
  Recorded& recorded = recorded_of(t);
  if (!recorded.known) compute(std::span(&t, 1), true, 0);
  return recorded.value;
}

void assign(const Tensor& leaf, const ArrayView& values) {
  Recorded& recorded = recorded_of(leaf);
  if (!recorded.leaf) fail("Tensor", "only a leaf can be given other values");
  if (values.shape != leaf.shape())
    fail("Tensor", "expected values of shape ", to_string(leaf.shape()), ", got ", to_string(values.shape));
  const Array converted = dense("Tensor", values, leaf.dtype());
  settle();
  std::optional<InUse> use;
  if (const ExpandingCallee* callee = callee_of(recorded); callee && callee->network()) {
    change(*callee->network());
    use.emplace(callee->network()->impl().users, Use::changes);
  }
  if (converted.bytes() > 0) std::memcpy(recorded.value.data(), converted.data(), converted.bytes());
  recorded.changed = next_op_id();
}

void settle() {
  const std::vector<Tensor> open = take_unasked();
  if (!open.empty()) compute(open, false, 1);
}

void change(const Network& network) {
  settle();
  for (const Block& block : network.impl().blocks) block.home->changes = next_op_id();
}

Tensor detach(const Tensor& t) {
  const Recorded& recorded = recorded_of(t);
  return recorded.known ? known_tensor(recorded.value) : stop_gradient(t);
}

Tensor grad(const Tensor& t) {
  Recorded& recorded = recorded_of(t);
  if (!recorded.grad && lives_in_network(t)) {
    const auto* place = static_cast<const ParameterPlace*>(callee_of(recorded));
    const Tensor op = place->op();
    const std::shared_ptr<Home>& home = op.op().residence->home;
    home->show_gradients();
    recorded.grad = known_tensor(Array(t.dtype(), t.shape(), std::shared_ptr<void>(home, home_gradients(op.op()))));
  }
  return recorded.grad;
}

void set_grad(const Tensor& t, const Tensor& grad) {
  Recorded& recorded = recorded_of(t);
  if (grad && (grad.shape() != t.shape() || grad.dtype() != t.dtype()))
    fail("grad", "must have shape ", to_string(t.shape()), " and ", name(t.dtype()), ", got ", to_string(grad.shape()),
         " and ", name(grad.dtype()));
  if (lives_in_network(t))
    assign(eager::grad(t), grad ? value(grad) : Array(t.dtype(), t.shape()));
  else
    recorded.grad = grad ? known_tensor(dense("grad", value(grad), grad.dtype())) : Tensor();
}

void backward(const Tensor& y, const Tensor& seed, bool retain_graph) {
  check_differentiable(y);
  const GradientWish wish({checked_seed(y, seed)});
  Recording recording = walk(std::span(&y, 1), Purpose::gradients, true, 0);
  Results results = run(recording, &wish);
  keep_values(recording, results.values);
  for (auto& [i, gradient] : results.gradients) add_gradient(*recording.nodes[i].recorded(), std::move(gradient));
  if (!retain_graph) free_recording(recording);
}

std::vector<Tensor> gradients(const std::vector<Tensor>& ys, const std::vector<Tensor>& xs,
                              const std::vector<Tensor>& seeds, bool retain_graph) {
  std::vector<Tensor> given;
  for (std::size_t i = 0; i < ys.size(); ++i) {
    check_differentiable(ys[i]);
    given.push_back(i < seeds.size() && seeds[i] ? checked_seed(ys[i], seeds[i]) : Tensor());
  }
  for (const Tensor& x : xs) recorded_of(x);
  Recording recording = walk(ys, Purpose::gradients, true, 0);
  const GradientWish wish(recording, xs, std::move(given));
  Results results = run(recording, &wish);
  keep_values(recording, results.values);
  std::vector<Tensor> grads(xs.size());
  for (auto& [i, gradient] : results.gradients) grads[i] = known_tensor(std::move(gradient));
  if (!retain_graph) free_recording(recording);
  return grads;
}

std::vector<Tensor> recorded_gradients(const std::vector<Tensor>& ys, const std::vector<Tensor>& xs,
                                       const std::vector<Tensor>& seeds) {
  Expansion expansion;
  for (const Tensor& t : reachable(ys)) {
    Op& op = const_cast<Op&>(t.op());
    if (!op.recorded || op.inputs.empty()) continue;
    if (op.recorded->callee) {  // in its place, a view of what the call is
      op.inputs = {unfolded(t, expansion)};
      op.kind = OpKind::reshape;
      op.recorded->callee = nullptr;
    }
    op.id = next_op_id();  // behind what it is made from
  }
  std::vector<Tensor> all;
  for (std::size_t i = 0; i < ys.size(); ++i) {
    check_differentiable(ys[i]);
    const bool seeded = i < seeds.size() && seeds[i];
    if (seeded) check_seed(ys[i], seeds[i]);
    all.push_back(seeded ? seeds[i] : constant(1.0, ys[i].shape(), ys[i].dtype()));
  }
  return gradients_of_all(ys, xs, all);
}

std::uint64_t add_hook(const Tensor& t, Hook hook) {
  if (!requires_grad(t)) fail("register_hook", "the tensor requires no gradient");
  if (!hook) fail("register_hook", "needs a function");
  static std::uint64_t hooks = 0;
  recorded_of(t).hooks.emplace_back(++hooks, std::move(hook));
  return hooks;
}

void remove_hook(const Tensor& t, std::uint64_t number) {
  std::erase_if(recorded_of(t).hooks, [number](const auto& hook) { return hook.first == number; });
}

bool recording_gradients() { return backpass::recording_gradients(); }
void set_recording_gradients(bool on) { backpass::set_recording_gradients(on); }

}  // namespace backpass::eager
