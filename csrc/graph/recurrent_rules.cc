// Recurrent layers: derivatives, and maps.
#include "graph/recurrent.h"
#include "graph/rules.h"

namespace backpass {
namespace {

// h before each step.
Tensor states_before(const Recurrent& settings, const Tensor& states, const Tensor& first) {
  const Shape& shape = states.shape();
  const Tensor start = reshape(first, {shape[0], 1, shape[2]});
  if (shape[1] == 1) return start;
  if (settings.reverse) return concat({slice(states, 1, 1, shape[1]), start}, 1);
  return concat({start, slice(states, 1, 0, shape[1] - 1)}, 1);
}

Tensor part_of_steps(const RecurrentSteps& steps, RecurrentPart which) {
  return which == RecurrentPart::states ? steps.states : which == RecurrentPart::gates ? steps.gates : steps.more;
}

// An op of either kind by other ops, of `own` in place of its inputs.
Tensor by_other_ops(const Op& op, const std::vector<Tensor>& own) {
  const Recurrent settings = recurrent_settings(op);
  const RecurrentInputs in = recurrent_inputs(op, own);
  if (op.kind == OpKind::recurrent) return part_of_steps(unrolled(settings, in), part_of(op));
  const RecurrentGrad what = grad_of(op);
  const Tensor shift = input(in.x.shape(), in.x.dtype());
  const RecurrentSteps steps = unrolled(settings, in, what == RecurrentGrad::product ? shift : Tensor());
  if (what == RecurrentGrad::reset) return steps.reset;
  const Tensor wanted = what == RecurrentGrad::product ? shift
                        : what == RecurrentGrad::state ? in.state
                        : what == RecurrentGrad::cell  ? in.cell
                                                       : in.x;
  const Tensor grad =
      gradients_of_all({part_of_steps(steps, static_cast<RecurrentPart>(op.dims[1]))}, {wanted}, {own.back()})[0];
  if (!grad) return zeros_like(wanted);
  return substitute({grad}, {shift}, {constant(0.0, shift.shape(), shift.dtype())})[0];
}

Grads by_other_steps(const Tensor& y, const Tensor& g, const Wanted& wanted) {
  const Op& op = y.op();
  const std::vector<Tensor> own = inputs_like(op.inputs);
  std::vector<Tensor> xs;
  for (std::size_t i = 0; i < own.size(); ++i)
    if (wanted[i] && own[i].dtype() != DType::int32) xs.push_back(own[i]);
  const Grads made = gradients_of_all({by_other_ops(op, own)}, xs, {g});
  Grads grads(own.size());
  for (std::size_t i = 0, next = 0; i < own.size(); ++i)
    if (wanted[i] && own[i].dtype() != DType::int32)
      if (const Tensor& each = made[next++]) grads[i] = substitute({each}, own, op.inputs)[0];
  return grads;
}

// (v, n, ...) as (v n, ...), and back.
Tensor rows_of_all(const Tensor& x) {
  Shape shape(x.shape().begin() + 1, x.shape().end());
  shape[0] *= x.shape()[0];
  return reshape(x, shape);
}

}  // namespace

// One walk back through time gives the gradients to x and to the products; that to the weight is one product over all
// steps of all rows.
Grads recurrent_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted) {
  const Op& op = y.op();
  const Recurrent settings = recurrent_settings(op);
  const Cell cell = settings.cell;
  const RecurrentPart flows_to = part_of(op);
  if (flows_to == RecurrentPart::gates || (flows_to == RecurrentPart::more && cell != Cell::lstm))
    return by_other_steps(y, g, wanted);
  const RecurrentInputs in = recurrent_inputs(op);
  const auto made = [&](RecurrentPart part) {
    return part == flows_to ? y : has_part(cell, part) ? recurrent(settings, part, in) : Tensor();
  };
  const RecurrentKept kept{made(RecurrentPart::states), made(RecurrentPart::gates), made(RecurrentPart::more), g};
  const auto grad = [&](RecurrentGrad what) { return recurrent_grad(settings, what, flows_to, in, kept); };
  const Tensor x = grad(RecurrentGrad::x), product = cell == Cell::gru ? grad(RecurrentGrad::product) : x;
  Grads grads(op.inputs.size());
  grads[0] = x;
  if (wanted[1]) {
    const Tensor before = states_before(settings, kept.states, in.state);
    if (cell == Cell::gru_before) {
      const Dim width = in.state.shape()[1];
      grads[1] = concat({contract_rows(slice(product, 2, 0, 2 * width), before),
                         contract_rows(slice(product, 2, 2 * width, 3 * width), grad(RecurrentGrad::reset))},
                        0);
    } else {
      grads[1] = contract_rows(product, before);
    }
  }
  if (wanted[2]) grads[2] = sum(product, Axes{{0, 1}});
  if (wanted[3]) grads[3] = grad(RecurrentGrad::state);
  if (in.cell && wanted[4]) grads[4] = grad(RecurrentGrad::cell);
  return grads;
}

Grads recurrent_grad_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted) {
  return by_other_steps(y, g, wanted);
}

// Of the same weights, the elements of a map are more rows.
Tensor batched_recurrent(const Op& op, const BatchedInputs& x, Dim size) {
  std::vector<Tensor> tensors;
  if (!x[1].mapped && !x[2].mapped) {
    Op made = op;
    for (std::size_t i = 0; i < x.size(); ++i)
      if (i != 1 && i != 2) made.inputs[i] = rows_of_all(mapped(x[i], size));
    const Tensor y = rebuilt_recurrent(made);
    Shape shape = op.shape;
    shape.insert(shape.begin(), size);
    return reshape(y, shape);
  }
  for (const BatchedInput& each : x) tensors.push_back(each.tensor);
  const std::vector<Tensor> own = inputs_like(op.inputs);
  return vmap({by_other_ops(op, own)}, own, tensors)[0];
}

// Those of the products; the first part of a walk counts them all.
double recurrent_flops(const Tensor& y) {
  const Op& op = y.op();
  if (op.dims[0] != 0) return 0;
  const Shape &x = op.inputs[0].shape(), &weight = op.inputs[1].shape();
  return 2.0 * static_cast<double>(x[1]) * static_cast<double>(weight[0]) * static_cast<double>(weight[1]);
}

}  // namespace backpass
