// The rules of update kernels as operations; kernels/update-inl.h is the same, with the sources of the formulas.
#include "graph/update.h"

namespace backpass {
namespace {

using kernels::UpdateRule;
using kernels::UpdateSettings;

struct Step {
  const UpdateSettings& s;
  const Tensor &weight, &grad;  // with decay
  const std::array<Tensor, 3>& slots;
  const StepNumbers<Tensor>& now;
};

Tensor running(const Tensor& mean, double kept, const Tensor& x, double fresh) { return mean * kept + x * fresh; }
Tensor running_square(const Tensor& mean, double kept, const Tensor& x, double fresh) {
  return mean * kept + x * fresh * x;
}

RuleTensors sgd(const Step& step) {
  const auto& [s, weight, grad, slots, now] = step;
  if (!slots[0]) return {weight - now.step_size * grad};
  const Tensor velocity = slots[0] * s.beta1 + now.fresh * grad;
  return {weight - now.step_size * (s.nesterov ? grad + velocity * s.beta1 : velocity), {velocity}};
}

Tensor adam_step(const Step& step, const Tensor& mean, const Tensor& square) {
  return step.now.step_size * (mean / (sqrt(square) / step.now.root + step.now.eps));
}

// What the Adams share; each has its own way along the moments.
RuleTensors with_moments(UpdateRule rule, const Step& step) {
  const auto& [s, weight, grad, slots, now] = step;
  const Tensor mean = running(slots[0], s.beta1, grad, s.fresh1);
  const Tensor square = running_square(slots[1], s.beta2, grad, s.fresh2);
  if (rule == UpdateRule::amsgrad) {
    const Tensor largest = maximum(slots[2], square);
    return {weight - adam_step(step, mean, largest), {mean, square, largest}};
  }
  Tensor along = adam_step(step, mean, square);
  if (rule == UpdateRule::nadam)
    along = (now.step_size * mean + now.gradient_step * grad) / (sqrt(square) / now.root + now.eps);
  if (rule == UpdateRule::radam) along = where(now.rectified, along, now.step_size * mean);
  return {weight - along, {mean, square}};
}

RuleTensors rmsprop(const Step& step) {
  const auto& [s, weight, grad, slots, now] = step;
  RuleTensors next;
  next.slots[0] = running_square(slots[0], s.beta2, grad, s.fresh2);
  Tensor square = next.slots[0];
  if (slots[2]) {
    next.slots[2] = running(slots[2], s.beta2, grad, s.fresh2);
    square = maximum(square - next.slots[2] * next.slots[2], constant(0.0, {}, grad.dtype()));
  }
  Tensor along = grad / (sqrt(square) + s.eps);
  if (slots[1]) along = next.slots[1] = slots[1] * s.beta1 + along;
  next.weight = weight - now.step_size * along;
  return next;
}

RuleTensors adadelta(const Step& step) {
  const auto& [s, weight, grad, slots, now] = step;
  const Tensor square = running_square(slots[0], s.beta2, grad, s.fresh2);
  const Tensor along = sqrt(slots[1] + s.eps) / sqrt(square + s.eps) * grad;
  return {weight - now.step_size * along, {square, running_square(slots[1], s.beta2, along, s.fresh2)}};
}

RuleTensors adamax(const Step& step) {
  const auto& [s, weight, grad, slots, now] = step;
  const Tensor mean = running(slots[0], s.beta1, grad, s.fresh1);
  const Tensor top = maximum(slots[1] * s.beta2, abs(grad) + s.eps);
  return {weight - now.step_size * (mean / top), {mean, top}};
}

RuleTensors lion(const Step& step) {
  const auto& [s, weight, grad, slots, now] = step;
  const Tensor along = sign(running(slots[0], s.beta1, grad, s.fresh1));
  return {weight - now.step_size * along, {running(slots[0], s.beta2, grad, s.fresh2)}};
}

RuleTensors by_kernel(UpdateRule rule, const Step& step) {
  switch (rule) {
    case UpdateRule::sgd:
      return sgd(step);
    case UpdateRule::adam:
    case UpdateRule::amsgrad:
    case UpdateRule::nadam:
    case UpdateRule::radam:
      return with_moments(rule, step);
    case UpdateRule::rmsprop:
      return rmsprop(step);
    case UpdateRule::adadelta:
      return adadelta(step);
    case UpdateRule::adamax:
      return adamax(step);
    case UpdateRule::lion:
      return lion(step);
  }
  return {};
}

}  // namespace

RuleTensors update_by_ops(const UpdateStep& step, const RuleTensors& from, const Tensor& grad,
                          const StepNumbers<Tensor>& now) {
  const kernels::UpdateSettings& settings = step.settings;
  const bool decays = settings.weight_decay != 0;
  const Tensor weight = decays && settings.decoupled ? from.weight * now.shrink : from.weight;
  const Tensor decayed = decays && !settings.decoupled ? grad + from.weight * settings.weight_decay : grad;
  return by_kernel(step.rule, {settings, weight, decayed, from.slots, now});
}

}  // namespace backpass
