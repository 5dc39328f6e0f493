// Transformations of graphs beside gradients(): over an axis, along a direction, in another place.
#pragma once

#include "backpass/graph.h"

namespace backpass {

// ys again, with `with[i]` in the place of xs[i], any tensors that ys are made from. Of one type, and of one shape but
// for kBatch, which may become a number of rows. What does not depend on xs stays the same tensor.
std::vector<Tensor> substitute(const std::vector<Tensor>& ys, const std::vector<Tensor>& xs,
                               const std::vector<Tensor>& with);

// ys for each element of an axis: where with[i] has one dimension more than xs[i], in front, xs[i] stands for one
// element along it; all such dimensions are equal. Without one it is the same for all. The results have the axis in
// front, also where they do not depend on it. Random numbers that were made after the first of xs are drawn for each
// element. No loop is left: each kind of op has a rule. Throws std::invalid_argument where nothing has an axis, and for
// what the host program computes.
std::vector<Tensor> vmap(const std::vector<Tensor>& ys, const std::vector<Tensor>& xs, const std::vector<Tensor>& with);

// The sum over all ys of d sum(y * seed) / dx, for every x: rows of the Jacobian, one seed for each y.
std::vector<Tensor> vjp(const std::vector<Tensor>& ys, const std::vector<Tensor>& xs, const std::vector<Tensor>& seeds);

// The derivative of every y where each x moves along its direction, one for each x: columns of the Jacobian. It is the
// gradient of vjp(), which is linear in its seeds.
std::vector<Tensor> jvp(const std::vector<Tensor>& ys, const std::vector<Tensor>& xs,
                        const std::vector<Tensor>& directions);

// y itself, of which `rule` gives what xs, any tensors that it is made from, get as gradients: one tensor for each x of
// its shape and type, an empty one for none. What the rule gives may be differentiated by the rules of its ops.
using GradientRule =
    std::function<std::vector<Tensor>(const std::vector<Tensor>& xs, const Tensor& y, const Tensor& grad)>;
Tensor custom_gradient(const Tensor& y, const std::vector<Tensor>& xs, GradientRule rule);

// y itself, whose gradient computes what lies between xs and y again instead of keeping it (Chen et al. 2016).
Tensor checkpoint(const Tensor& y, const std::vector<Tensor>& xs);

// ys as they are in training, whatever runs them: choices by mode are made, random numbers are drawn, and what training
// moves states to is a result: each state that is tracked, and its next value.
struct InTraining {
  std::vector<Tensor> ys;
  std::vector<std::pair<Tensor, Tensor>> moves;
};
InTraining in_training(const std::vector<Tensor>& ys);

// x again as a tensor of its own, which costs nothing: what is differentiated or mapped for it alone.
Tensor view(const Tensor& x);

}  // namespace backpass
