// Gradients by a rule of the caller's, and values that are computed again.
#include <algorithm>

#include "backpass/transforms.h"
#include "base/error.h"
#include "graph/rules.h"

namespace backpass {
namespace {

void check_gradient(const Tensor& grad, const Tensor& x, std::size_t i) {
  if (grad && (grad.shape() != x.shape() || grad.dtype() != x.dtype()))
    fail("custom_gradient", "gradient ", i, " must have shape ", to_string(x.shape()), " and type ", name(x.dtype()),
         ", got ", to_string(grad.shape()), " ", name(grad.dtype()));
}

std::vector<Tensor> without_first(const std::vector<Tensor>& tensors) { return {tensors.begin() + 1, tensors.end()}; }

}  // namespace

Tensor custom_gradient(const Tensor& y, const std::vector<Tensor>& xs, GradientRule rule) {
  if (!y) fail("custom_gradient", "got an empty tensor");
  if (!rule) fail("custom_gradient", "needs a rule");
  std::vector<Tensor> inputs = {y};
  inputs.insert(inputs.end(), xs.begin(), xs.end());
  return make_tensor({.kind = OpKind::custom,
                      .inputs = std::move(inputs),
                      .shape = y.shape(),
                      .dtype = y.dtype(),
                      .custom = std::make_shared<const GradientRule>(std::move(rule))});
}

// Nothing goes the way by which y was made.
Grads custom_derivative(const Tensor& y, const Tensor& g, const Wanted&) {
  const std::vector<Tensor> xs = without_first(y.op().inputs);
  Grads grads = (*y.op().custom)(xs, y, g);
  if (grads.size() != xs.size())
    fail("custom_gradient", "the rule must give ", xs.size(), " gradients, got ", grads.size());
  for (std::size_t i = 0; i < xs.size(); ++i) check_gradient(grads[i], xs[i], i);
  grads.insert(grads.begin(), Tensor());
  return grads;
}

// The rule is mapped as any other part of a graph, once it is asked.
Tensor batched_custom(const Op& op, const BatchedInputs& x, Dim size) {
  std::vector<Tensor> tensors, ones;  // as they are now, and one element of each
  for (const BatchedInput& input : x) tensors.push_back(mapped(input, size));
  for (const Tensor& input : op.inputs) ones.push_back(input);
  const auto rule = [ones, rule = op.custom](const std::vector<Tensor>& xs, const Tensor& y, const Tensor& grad) {
    std::vector<Tensor> element, with = xs;
    for (std::size_t i = 1; i < ones.size(); ++i) element.push_back(input(ones[i].shape(), ones[i].dtype()));
    const Tensor one_y = input(ones[0].shape(), ones[0].dtype()), one_grad = input(ones[0].shape(), ones[0].dtype());
    Grads grads = (*rule)(element, one_y, one_grad), given;
    element.push_back(one_y);
    element.push_back(one_grad);
    with.push_back(y);
    with.push_back(grad);
    std::ranges::copy_if(grads, std::back_inserter(given), [](const Tensor& g) { return static_cast<bool>(g); });
    given = vmap(given, element, with);
    for (std::size_t i = 0, next = 0; i < grads.size(); ++i)
      if (grads[i]) grads[i] = given[next++];
    return grads;
  };
  return custom_gradient(tensors[0], without_first(tensors), rule);
}

// The copies of xs are made when the gradient is there, and so is all that follows from them.
Tensor checkpoint(const Tensor& y, const std::vector<Tensor>& xs) {
  return custom_gradient(y, xs,
                         [made = y, from = xs](const std::vector<Tensor>& now, const Tensor&, const Tensor& grad) {
                           std::vector<Tensor> late;
                           for (const Tensor& x : now) late.push_back(x.dtype() == DType::int32 ? x : after(x, grad));
                           return gradients_of_all(substitute({made}, from, late), late, {grad});
                         });
}

Tensor after(const Tensor& x, const Tensor& y) {
  if (!x || !y) fail("after", "got an empty tensor");
  return make_tensor({.kind = OpKind::after, .inputs = {x, y}, .shape = x.shape(), .dtype = x.dtype()});
}

Grads after_derivative(const Tensor&, const Tensor& g, const Wanted&) { return {g, {}}; }

// Nothing of the second input goes anywhere.
Moves after_moves(const Op&, const std::vector<Shape>& from, const Shape& to) {
  return {straight_move(from[0], to), {{0}, {0}, {0}}};
}

Tensor batched_after(const Op&, const BatchedInputs& x, Dim size) { return after(mapped(x[0], size), x[1].tensor); }

}  // namespace backpass
