// A step as operations: clipping, groups, and the rule of each weight.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "optim/muon.h"
#include "optim/state.h"
#include "optim/step_numbers.h"

namespace backpass {
namespace {

constexpr double kClipMargin = 1e-6;  // as where a network's gradient is clipped

// min(1, limit / (|g| + margin)), of all gradients together. What is squared is made small by a power of two: sums
// overflow in float32 only where the norm is beyond 1e30 limits.
Tensor clip_factor(const std::vector<Tensor>& grads, double limit) {
  const double small = std::ldexp(1.0, -40 - std::ilogb(limit));
  Tensor total = constant(0.0, {}, grads[0].dtype());
  for (const Tensor& grad : grads) total = total + sum(square(grad * small));
  return minimum(limit / (sqrt(total) / small + kClipMargin), constant(1.0, {}, total.dtype()));
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

// What a kernel does for an entry of the groups' table: one for all graphs of a state, as recordings are found again by
// it.
std::shared_ptr<const UpdateStep> update_step(Optimizer::State& state, std::size_t entry) {
  state.update_steps.resize(state.groups.table().size());
  std::weak_ptr<const UpdateStep>& kept = state.update_steps[entry];
  if (auto found = kept.lock()) return found;
  UpdateStep step{state.rule.kernel, state.rule.settings};
  step.first = static_cast<Dim>(entry) * kStepNumbers;
  step.scales = state.options.clip_norm.has_value();
  step.settings.weight_decay = state.groups.table()[entry].weight_decay;
  for (std::size_t i = 0; i < step.slots.size(); ++i) step.slots[i] = state.rule.slots[i] != nullptr;
  auto made = std::make_shared<const UpdateStep>(step);
  kept = made;
  return made;
}

// One weight of a step.
class Applied {
 public:
  // `factor`: of all gradients, empty where nothing is clipped.
  Applied(Optimizer::State& state, const std::string& weight_name, const Tensor& numbers, const Tensor& factor,
          std::size_t entry)
      : state_(state), name_(weight_name), numbers_(numbers), factor_(factor), entry_(entry) {}

  // The new weight, and behind it the new slots.
  std::vector<Tensor> operator()(const Tensor& weight, const std::vector<Tensor>& slots, const Tensor& grad) const {
    if (state_.composed) return own(weight, slots, scaled(grad));
    if (state_.rule.direction && is_matrix(weight.shape())) return along_direction(weight, slots, scaled(grad));
    return update(update_step(state_, entry_), weight, grad, slots, numbers_, factor_);
  }

 private:
  Tensor scaled(const Tensor& grad) const { return factor_ ? grad * factor_ : grad; }
  double decay() const { return state_.groups.table()[entry_].weight_decay; }
  StepNumbers<Tensor> now() const { return numbers_at(numbers_, static_cast<Dim>(entry_) * kStepNumbers); }

  std::vector<Tensor> along_direction(const Tensor& weight, const std::vector<Tensor>& slots,
                                      const Tensor& grad) const {
    const Directed next = directed(*state_.rule.direction, slots[0], grad);
    const Tensor along = decay() != 0 ? next.step + weight * decay() : next.step;
    std::vector<Tensor> results{weight - now().learning_rate * along, next.momentum};
    results.insert(results.end(), slots.begin() + 1, slots.end());
    return results;
  }

  // A rule of one's own knows the weight by its name.
  std::vector<Tensor> own(const Tensor& weight, const std::vector<Tensor>& slots, const Tensor& grad) const {
    const Tensor named = input(weight.shape(), weight.dtype(), name_);
    const Tensor decayed = decay() != 0 ? grad + named * decay() : grad;
    const StepNumbers<Tensor> numbers = now();
    std::vector<Tensor> results = state_.composed->update({named, decayed, slots, numbers.learning_rate, numbers.step});
    check_results(*state_.composed, name_, weight, results);
    return substitute(results, {named}, {weight});
  }

  Optimizer::State& state_;
  const std::string& name_;
  const Tensor& numbers_;  // of all entries
  const Tensor& factor_;
  std::size_t entry_;  // of the groups' table
};

void check(const Optimizer::State& state, const std::vector<std::string>& names, const StepTensors& from,
           const std::vector<Tensor>& grads) {
  const std::string& who = state.description.type;
  state.require_steps();
  if (state.composed && !state.composed->update)
    fail(who, "steps by hand: apply needs an optimizer that composes operations");
  if (state.options.schedule.per() == Per::epoch || state.options.decay_schedule.per() == Per::epoch)
    fail(who, "a schedule by epochs has no place in apply: count steps");
  if (state.options.decay_schedule.type() != "ConstantRate" &&
      !(state.rule.settings.decoupled && !state.rule.direction))
    fail(who, "a decay_schedule has no place in apply, but for AdamW and Lion");
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
  const Tensor factor = state->options.clip_norm ? clip_factor(grads, *state->options.clip_norm) : Tensor();
  const Tensor numbers = step_numbers(state, from.steps, from.weights[0].dtype());
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto entry = static_cast<std::size_t>(state->groups.settings_of(infos[i]));
    std::vector<Tensor> slots;
    for (const std::vector<Tensor>& slot : from.slots) slots.push_back(slot[i]);
    const Applied applied(*state, names[i], numbers, factor, entry);
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
