// A step of an optimizer's kernel as ops: one for the new weight, and one for each new slot.
#pragma once

#include <algorithm>
#include <array>

#include "graph/op.h"
#include "kernels/table.h"

namespace backpass {

// What a step reads of its number, in the order in which it lies in memory.
template <class Number>
struct StepNumbers {
  Number learning_rate, step_size, gradient_step, root, rectified, fresh, eps;
  Number shrink;  // 1 - learning_rate weight_decay
  Number step;    // the number of the step, from 1
};
inline constexpr Dim kStepNumbers = static_cast<Dim>(sizeof(StepNumbers<char>));

// Which kernel, and with what; shared by the ops of a step.
struct UpdateStep {
  kernels::UpdateRule rule = kernels::UpdateRule::sgd;
  kernels::UpdateSettings settings = {};  // but for the numbers of the step
  std::array<bool, 3> slots = {};         // which of the kernel's there are
  bool scales = false;                    // the gradient, by a factor: what clipping by norm leaves
  Dim first = 0;                          // where its numbers begin among those that it is given

  // The inputs of its ops: the weight and the slots that there are, so many, then:
  std::size_t parts() const { return 1 + static_cast<std::size_t>(std::ranges::count(slots, true)); }
  std::size_t grad() const { return parts(); }
  std::size_t numbers() const { return parts() + 1; }
  std::size_t factor() const { return parts() + 2; }  // where it scales
};

template <class T>
kernels::UpdateSettings settings_of(const UpdateStep& step, const StepNumbers<T>& now) {
  kernels::UpdateSettings settings = step.settings;
  settings.learning_rate = now.learning_rate;
  settings.step_size = now.step_size;
  settings.gradient_step = now.gradient_step;
  settings.root = now.root;
  settings.rectified = now.rectified != 0;
  settings.fresh1 = now.fresh;
  settings.eps = now.eps;
  settings.shrink = now.shrink;
  return settings;
}

// The new weight, and behind it the new slots: those that there are. numbers (n): StepNumbers, one after the other.
// factor (): where the step scales; else an empty tensor.
std::vector<Tensor> update(std::shared_ptr<const UpdateStep> step, const Tensor& weight, const Tensor& grad,
                           const std::vector<Tensor>& slots, const Tensor& numbers, const Tensor& factor = {});

// The numbers that begin at `first`, one by one.
StepNumbers<Tensor> numbers_at(const Tensor& numbers, Dim first);

// A weight with its slots, empty tensors where the rule keeps none.
struct RuleTensors {
  Tensor weight;
  std::array<Tensor, 3> slots = {};
};
// The same step as operations, in the order in which the kernel computes: of the same bits.
RuleTensors update_by_ops(const UpdateStep& step, const RuleTensors& from, const Tensor& grad,
                          const StepNumbers<Tensor>& now);

}  // namespace backpass
