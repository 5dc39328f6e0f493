// A step as operations: clipping, groups, and the rule of each weight.
#include "optim/apply.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "optim/muon.h"
#include "optim/state.h"

namespace backpass {
namespace {

constexpr double kClipMargin = 1e-6;  // as where a network's gradient is clipped

// g min(1, limit / (|g| + margin)), of all gradients together. What is squared is made small by a power of two: sums
// overflow in float32 only where the norm is beyond 1e30 limits.
void clip_norm(std::vector<Tensor>& grads, double limit) {
  const double small = std::ldexp(1.0, -40 - std::ilogb(limit));
  Tensor total = constant(0.0, {}, grads[0].dtype());
  for (const Tensor& grad : grads) total = total + sum(square(grad * small));
  const Tensor factor = minimum(limit / (sqrt(total) / small + kClipMargin), constant(1.0, {}, total.dtype()));
  for (Tensor& grad : grads) grad = grad * factor;
}

void clip_value(std::vector<Tensor>& grads, double limit) {
  const auto number = [&](double value) { return constant(value, {}, grads[0].dtype()); };
  for (Tensor& grad : grads) grad = clip(grad, number(-limit), number(limit));
}

void check_like(const std::string& who, const std::string& what, const std::string& of, const Tensor& got,
                const Tensor& weight) {
  if (!got || got.shape() != weight.shape() || got.dtype() != weight.dtype())
    fail(who, what, " of \"", of, "\" must have shape ", to_string(weight.shape()), " and type ", name(weight.dtype()),
         ", got ", got ? to_string(got.shape()) : "none", got ? " and " : "", got ? name(got.dtype()) : "");
}

// One weight of a step.
class Applied {
 public:
  Applied(const Optimizer::State& state, const std::string& weight_name, const StepNumbers& numbers, double decay)
      : state_(state), name_(weight_name), now_(numbers), decay_(decay) {}

  // The new weight, and behind it the new slots.
  std::vector<Tensor> operator()(const Tensor& weight, const std::vector<Tensor>& slots, const Tensor& grad) const {
    if (state_.composed) return own(weight, slots, grad);
    if (state_.rule.direction && is_matrix(weight.shape())) return along_direction(weight, slots, grad);
    RuleTensors from{weight};
    const std::vector<std::size_t> kept = positions();
    for (std::size_t i = 0; i < kept.size(); ++i) from.slots[kept[i]] = slots[i];
    const RuleTensors next = apply_rule(state_.rule, decay_, from, grad, now_);
    std::vector<Tensor> results{next.weight};
    for (const std::size_t position : kept) results.push_back(next.slots[position]);
    return results;
  }

 private:
  // Which of the rule's three slots there are.
  std::vector<std::size_t> positions() const {
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < state_.slot_names.size(); ++i)
      if (!state_.slot_names[i].empty()) found.push_back(i);
    return found;
  }

  std::vector<Tensor> along_direction(const Tensor& weight, const std::vector<Tensor>& slots,
                                      const Tensor& grad) const {
    const Directed next = directed(*state_.rule.direction, slots[0], grad);
    std::vector<Tensor> results{weight - now_.learning_rate * (decay_ != 0 ? next.step + weight * decay_ : next.step),
                                next.momentum};
    results.insert(results.end(), slots.begin() + 1, slots.end());
    return results;
  }

  // A rule of one's own knows the weight by its name.
  std::vector<Tensor> own(const Tensor& weight, const std::vector<Tensor>& slots, const Tensor& grad) const {
    const Tensor named = input(weight.shape(), weight.dtype(), name_);
    const Tensor decayed = decay_ != 0 ? grad + named * decay_ : grad;
    std::vector<Tensor> results = state_.composed->update({named, decayed, slots, now_.learning_rate, now_.step});
    check_results(*state_.composed, name_, weight, results);
    return substitute(results, {named}, {weight});
  }

  const Optimizer::State& state_;
  const std::string& name_;
  const StepNumbers& now_;
  double decay_;
};

void check(const Optimizer::State& state, const std::vector<std::string>& names, const StepTensors& from,
           const std::vector<Tensor>& grads) {
  const std::string& who = state.description.type;
  state.require_steps();
  if (state.composed && !state.composed->update)
    fail(who, "steps by hand: apply needs an optimizer that composes operations");
  if (state.options.schedule.per() == Per::epoch) fail(who, "a schedule by epochs has no place in apply: count steps");
  const auto slot_count = static_cast<std::size_t>(state.slot_count());
  if (from.slots.size() != slot_count) fail(who, "keeps ", slot_count, " slots, got ", from.slots.size());
  if (!from.steps || from.steps.dtype() != DType::int32) fail(who, "steps must be int32, as init makes them");
  if (names.size() != from.weights.size() || grads.size() != from.weights.size())
    fail(who, "needs a name and a gradient for each of ", from.weights.size(), " weights");
  for (std::size_t i = 0; i < from.weights.size(); ++i) {
    if (from.weights[i].dtype() == DType::int32)
      fail(who, '"', names[i], "\" holds integers, which follow no gradient");
    check_like(who, "the gradient", names[i], grads[i], from.weights[i]);
    for (const std::vector<Tensor>& slot : from.slots) {
      if (slot.size() != from.weights.size()) fail(who, "a slot has ", slot.size(), " arrays for ", names.size());
      check_like(who, "a slot", names[i], slot[i], from.weights[i]);
    }
  }
}

}  // namespace

StepTensors Optimizer::apply(const std::vector<std::string>& names, const StepTensors& from,
                             std::vector<Tensor> grads) const {
  const std::shared_ptr<State>& state = state_.shared();
  check(*state, names, from, grads);
  std::vector<ParameterInfo> infos;
  for (std::size_t i = 0; i < names.size(); ++i)
    infos.push_back({names[i], from.weights[i].shape(), 0, element_count(from.weights[i].shape())});
  state->groups.check(infos);
  StepTensors next{{}, std::vector<std::vector<Tensor>>(from.slots.size()), next_step(from.steps)};
  if (names.empty()) return next;
  if (state->options.clip_value) clip_value(grads, *state->options.clip_value);
  if (state->options.clip_norm) clip_norm(grads, *state->options.clip_norm);
  const std::vector<StepNumbers> numbers = step_numbers(state, from.steps, from.weights[0].dtype());
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto entry = static_cast<std::size_t>(state->groups.settings_of(infos[i]));
    std::vector<Tensor> slots;
    for (const std::vector<Tensor>& slot : from.slots) slots.push_back(slot[i]);
    const Applied applied(*state, names[i], numbers[entry], state->groups.table()[entry].weight_decay);
    const std::vector<Tensor> results = applied(from.weights[i], slots, grads[i]);
    next.weights.push_back(results[0]);
    for (std::size_t k = 0; k < slots.size(); ++k) next.slots[k].push_back(results[1 + k]);
  }
  return next;
}

std::vector<std::string> Optimizer::slots() const {
  std::vector<std::string> names = state_->slot_names;
  std::erase(names, "");
  return names;
}

double Optimizer::initial() const { return state_->rule.initial; }

}  // namespace backpass
