// Reverse accumulation: the chain rule as a transformation that adds ops.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "graph/reach.h"
#include "graph/rules.h"

namespace backpass {

namespace {

using OpSet = std::unordered_set<const Op*>;

// What flows to a tensor: a sum, and beside it parts of the tensor that do not overlap (see join()).
struct Flow {
  Tensor sum;
  std::vector<Tensor> parts;
};
using GradMap = std::unordered_map<const Op*, Flow>;

// The ops through which y depends on xs: the others cost nothing.
OpSet between(const std::vector<Tensor>& order, const std::vector<Tensor>& xs) {
  OpSet active;
  for (const Tensor& x : xs) active.insert(&x.op());
  for (const Tensor& t : order)
    for (const Tensor& from : t.op().inputs)
      if (active.count(&from.op())) active.insert(&t.op());
  return active;
}

// Whether g is zeros but for a range along an axis.
bool is_part(const Tensor& g) { return g.op().kind == OpKind::pad && step_of(g.op()) == 1; }

bool is_beside(const Tensor& a, const Tensor& b) {
  const std::vector<Dim>&of_a = a.op().dims, &of_b = b.op().dims;
  return of_a[0] == of_b[0] && (of_a[2] <= of_b[1] || of_b[2] <= of_a[1]);
}

void accumulate(GradMap& grads, const Tensor& x, const Tensor& g) {
  Flow& flow = grads[&x.op()];
  if (is_part(g) && std::ranges::all_of(flow.parts, [&](const Tensor& other) { return is_beside(g, other); }))
    flow.parts.push_back(g);
  else
    flow.sum = flow.sum ? flow.sum + g : g;
}

// Parts side by side, with zeros in the gaps: of a tensor that was cut in many, the sum of the padded parts would cost
// the whole tensor for each.
Tensor joined(std::vector<Tensor> parts) {
  std::ranges::sort(parts, {}, [](const Tensor& part) { return part.op().dims[1]; });
  const Shape whole = parts[0].shape();
  const Dim axis = parts[0].op().dims[0];
  std::vector<Tensor> pieces;
  Dim at = 0;
  const auto fill = [&](Dim until) {
    Shape gap = whole;
    gap[static_cast<std::size_t>(axis)] = until - at;
    if (until > at) pieces.push_back(broadcast_to(constant(0.0, {}, parts[0].dtype()), gap));
  };
  for (const Tensor& part : parts) {
    if (part.op().dims[1] == part.op().dims[2]) continue;  // nothing, wherever it lies
    fill(part.op().dims[1]);
    pieces.push_back(part.op().inputs[0]);
    at = part.op().dims[2];
  }
  fill(whole[static_cast<std::size_t>(axis)]);
  return pieces.empty() ? broadcast_to(constant(0.0, {}, parts[0].dtype()), whole) : concat(pieces, axis);
}

Tensor total(const Flow& flow) {
  if (flow.parts.empty()) return flow.sum;
  const Tensor parts = flow.parts.size() == 1 ? flow.parts[0] : joined(flow.parts);
  return flow.sum ? flow.sum + parts : parts;
}

void propagate(GradMap& grads, const OpSet& active, const Tensor& y) {
  const auto found = grads.find(&y.op());
  if (found == grads.end() || y.op().inputs.empty()) return;
  const std::vector<Tensor>& inputs = y.op().inputs;
  std::vector<bool> wanted;
  for (const Tensor& x : inputs) wanted.push_back(active.count(&x.op()) > 0);
  const std::vector<Tensor> flows = derivative(y, total(found->second), wanted);
  for (std::size_t i = 0; i < flows.size(); ++i)
    if (flows[i] && wanted[i]) accumulate(grads, inputs[i], flows[i]);
}

// The ops that ys depend on otherwise than through a choice.
OpSet off_choices(const std::vector<Tensor>& order, const std::vector<Tensor>& ys) {
  OpSet reached;
  for (const Tensor& y : ys) reached.insert(&y.op());
  for (auto t = order.rbegin(); t != order.rend(); ++t)
    if (reached.count(&t->op()) && !is_choice(t->op()))
      for (const Tensor& from : t->op().inputs) reached.insert(&from.op());
  return reached;
}

// The first choice that depends on x.
std::string choice_after(const std::vector<Tensor>& order, const Tensor& x) {
  const OpSet after = between(order, {x});
  const auto found = std::ranges::find_if(
      order, [&](const Tensor& t) { return after.count(&t.op()) && !(t == x) && is_choice(t.op()); });
  return found == order.end() ? std::string() : found->kind();
}

// Zeros would look like an answer.
void check_choices(const std::vector<Tensor>& order, const std::vector<Tensor>& ys, const std::vector<Tensor>& xs) {
  if (std::ranges::none_of(order, [](const Tensor& t) { return is_choice(t.op()); })) return;
  const OpSet reached = off_choices(order, ys);
  const auto is_there = [&](const Tensor& x) { return std::ranges::find(order, x) != order.end(); };
  for (const Tensor& x : xs)
    if (!reached.count(&x.op()) && is_there(x))
      fail("gradients", x.name().empty() ? "what is asked for" : '"' + x.name() + '"',
           " reaches the result only through ", choice_after(order, x),
           ", a choice, which has no gradient. Ways around: a relaxation (softmax, sigmoid, gumbel_softmax), "
           "straight_through(hard, soft), a score function (the logarithm of the probability of what was chosen, times "
           "its worth), or stop_gradient where none shall flow");
}

}  // namespace

std::vector<Tensor> gradients_of_all(const std::vector<Tensor>& ys, const std::vector<Tensor>& xs,
                                     const std::vector<Tensor>& seeds) {
  const std::vector<Tensor> order = reachable(ys);
  const OpSet active = between(order, xs);
  check_choices(order, ys, xs);
  GradMap grads;
  for (std::size_t i = 0; i < ys.size(); ++i)
    if (active.count(&ys[i].op())) accumulate(grads, ys[i], seeds[i]);
  for (auto t = order.rbegin(); t != order.rend(); ++t)
    if (active.count(&t->op())) propagate(grads, active, *t);

  std::vector<Tensor> results;
  for (const Tensor& x : xs) {
    const auto found = grads.find(&x.op());
    results.push_back(found != grads.end() ? total(found->second) : constant(0.0, x.shape(), x.dtype()));
  }
  return results;
}

std::vector<Tensor> gradients(const Tensor& y, const std::vector<Tensor>& xs, const Tensor& seed) {
  if (!y) fail("gradients", "got an empty tensor");
  if (!seed && !y.shape().empty())
    fail("gradients", "needs a seed where y is not a scalar; y is ", to_string(y.shape()));
  if (seed && seed.shape() != y.shape())
    fail("gradients", "seed has shape ", to_string(seed.shape()), ", y has ", to_string(y.shape()));
  return gradients_of_all({y}, xs, {seed ? seed : constant(1.0, {}, y.dtype())});
}

}  // namespace backpass
