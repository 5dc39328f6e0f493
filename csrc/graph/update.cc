// Steps of optimizers' kernels as ops. Derivatives and maps take the same steps, composed of operations.
#include "graph/update.h"

#include <algorithm>

#include "graph/rules.h"

namespace backpass {
namespace {

// All results of a step, made of operations on its inputs.
std::vector<Tensor> by_ops(const UpdateStep& step, const std::vector<Tensor>& from) {
  RuleTensors before{from[0]};
  for (std::size_t i = 0, next = 1; i < before.slots.size(); ++i)
    if (step.slots[i]) before.slots[i] = from[next++];
  const Tensor grad = step.scales ? from[step.grad()] * from[step.factor()] : from[step.grad()];
  const RuleTensors after = update_by_ops(step, before, grad, numbers_at(from[step.numbers()], step.first));
  std::vector<Tensor> results{after.weight};
  for (std::size_t i = 0; i < after.slots.size(); ++i)
    if (step.slots[i]) results.push_back(after.slots[i]);
  return results;
}

// That of an op, made of operations on `from` in place of its inputs.
Tensor composed(const Op& op, const std::vector<Tensor>& from) {
  return by_ops(*op.update, from)[static_cast<std::size_t>(op.dims[0])];
}

Tensor update_op(const Op& like, std::vector<Tensor> inputs) {
  Op op{.kind = OpKind::update, .shape = inputs[0].shape(), .dtype = inputs[0].dtype(), .dims = like.dims};
  op.inputs = std::move(inputs);
  op.update = like.update;
  return make_tensor(std::move(op));
}

}  // namespace

std::vector<Tensor> inputs_like(const std::vector<Tensor>& tensors) {
  std::vector<Tensor> inputs;
  for (const Tensor& t : tensors) inputs.push_back(input(t.shape(), t.dtype()));
  return inputs;
}

std::vector<Tensor> update(std::shared_ptr<const UpdateStep> step, const Tensor& weight, const Tensor& grad,
                           const std::vector<Tensor>& slots, const Tensor& numbers, const Tensor& factor) {
  std::vector<Tensor> inputs{weight}, results;
  inputs.insert(inputs.end(), slots.begin(), slots.end());
  inputs.push_back(grad);
  inputs.push_back(numbers);
  if (step->scales) inputs.push_back(factor);
  // Each tensor that has a value may be asked for by itself: by operations they share what they have in common.
  if (std::ranges::any_of(inputs, [](const Tensor& x) { return x.op().recorded != nullptr; }))
    return by_ops(*step, inputs);
  Op like;
  like.update = std::move(step);
  for (Dim which = 0; which <= static_cast<Dim>(slots.size()); ++which) {
    like.dims = {which};
    results.push_back(update_op(like, inputs));
  }
  return results;
}

StepNumbers<Tensor> numbers_at(const Tensor& numbers, Dim first) {
  Dim at = first;
  const auto next = [&] {
    ++at;
    return reshape(slice(numbers, 0, at - 1, at), {});
  };
  return {next(), next(), next(), next(), next(), next(), next(), next(), next()};
}

// By way of inputs of its own: what stands in several places of an op gets the gradient of each.
Grads update_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted) {
  const Op& op = y.op();
  const std::vector<Tensor> own = inputs_like(op.inputs);
  std::vector<Tensor> xs;
  for (std::size_t i = 0; i < own.size(); ++i)
    if (wanted[i]) xs.push_back(own[i]);
  const Grads given = substitute(gradients_of_all({composed(op, own)}, xs, {g}), own, op.inputs);
  Grads grads(own.size());
  for (std::size_t i = 0, next = 0; i < own.size(); ++i)
    if (wanted[i]) grads[i] = given[next++];
  return grads;
}

// Of one step for all elements it is the same step of all their weights; else each has numbers of its own.
Tensor batched_update(const Op& op, const BatchedInputs& x, Dim size) {
  const std::size_t numbers = op.update->numbers();
  const bool together = std::none_of(x.begin() + static_cast<std::ptrdiff_t>(numbers), x.end(),
                                     [](const BatchedInput& each) { return each.mapped; });
  std::vector<Tensor> tensors;
  for (std::size_t i = 0; i < x.size(); ++i)
    tensors.push_back(together && i < numbers ? mapped(x[i], size) : x[i].tensor);
  if (together) return update_op(op, std::move(tensors));
  const std::vector<Tensor> own = inputs_like(op.inputs);
  return vmap({composed(op, own)}, own, tensors)[0];
}

}  // namespace backpass
