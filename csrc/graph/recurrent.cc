// Recurrent layers: what their ops are made of.
#include "graph/recurrent.h"

#include <algorithm>
#include <iterator>

#include "base/error.h"
#include "graph/rules.h"

namespace backpass {
namespace {

struct CellRow {
  const char* name;
  Dim gates;
};
constexpr CellRow kCells[] = {{"tanh", 1}, {"relu", 1}, {"lstm", 4}, {"gru", 3}, {"gru_before", 3}};

const CellRow& cell_row(Cell cell) { return kCells[static_cast<std::size_t>(cell)]; }

bool has_grad(Cell cell, RecurrentGrad grad) {
  switch (grad) {
    case RecurrentGrad::x:
    case RecurrentGrad::state:
      return true;
    case RecurrentGrad::product:
      return cell == Cell::gru;
    case RecurrentGrad::cell:
      return cell == Cell::lstm;
    case RecurrentGrad::reset:
      return cell == Cell::gru_before;
  }
  return false;
}

void check_recurrent(const Recurrent& settings, const RecurrentInputs& in) {
  const std::string who = "recurrent";
  const Dim gates = gates_of(settings.cell);
  for (const Tensor* t : {&in.x, &in.weight, &in.bias, &in.state})
    if (!*t || t->dtype() == DType::int32 || t->dtype() != in.x.dtype()) fail(who, "takes tensors of one real type");
  const Shape &x = in.x.shape(), &weight = in.weight.shape();
  if (weight.size() != 2 || weight[0] == kBatch || weight[1] < 1 || weight[0] != gates * weight[1])
    fail(who, "takes a weight (", gates, " units, units), got ", to_string(weight));
  if (x.size() != 3 || x[2] != weight[0] || x[1] < 1)
    fail(who, "takes (batch, steps, ", weight[0], ") with one step at least, got ", to_string(x));
  const auto expect = [&](const char* what, const Tensor& t, const Shape& shape) {
    if (t.shape() != shape) fail(who, what, " must be ", to_string(shape), ", got ", to_string(t.shape()));
  };
  expect("bias", in.bias, {weight[0]});
  expect("the first state", in.state, {x[0], weight[1]});
  if (static_cast<bool>(in.cell) != (settings.cell == Cell::lstm)) fail(who, "of an lstm alone there is a cell state");
  if (in.cell) {
    if (in.cell.dtype() != in.x.dtype()) fail(who, "takes tensors of one real type");
    expect("the first cell state", in.cell, {x[0], weight[1]});
  }
  if (!in.lengths) return;
  if (in.lengths.dtype() != DType::int32) fail(who, "lengths must be int32, got ", name(in.lengths.dtype()));
  expect("lengths", in.lengths, {x[0]});
}

std::vector<Tensor> as_list(const RecurrentInputs& in) {
  std::vector<Tensor> inputs{in.x, in.weight, in.bias, in.state};
  if (in.cell) inputs.push_back(in.cell);
  if (in.lengths) inputs.push_back(in.lengths);
  return inputs;
}

std::size_t parts_of(Cell cell) {
  return 1 + static_cast<std::size_t>(has_gates(cell)) + static_cast<std::size_t>(has_part(cell, RecurrentPart::more));
}

// The first of an op's inputs; the rest belongs to recurrent_grad.
RecurrentInputs from_list(Cell cell, const std::vector<Tensor>& list, bool with_lengths) {
  RecurrentInputs in{list[0], list[1], list[2], list[3], {}, {}};
  std::size_t next = 4;
  if (cell == Cell::lstm) in.cell = list[next++];
  if (with_lengths) in.lengths = list[next];
  return in;
}

bool with_lengths(const Op& op, Cell cell) {
  const std::size_t kept = op.kind == OpKind::recurrent_grad ? parts_of(cell) + 1 : 0;
  return op.inputs.size() - kept == (cell == Cell::lstm ? 6U : 5U);
}

}  // namespace

const char* name(Cell cell) { return cell_row(cell).name; }

Dim gates_of(Cell cell) { return cell_row(cell).gates; }

Cell cell_named(const std::string& name) {
  const auto found = std::ranges::find_if(kCells, [&](const CellRow& each) { return name == each.name; });
  if (found == std::end(kCells)) fail("recurrent", "unknown cell \"", name, '"');
  return static_cast<Cell>(found - kCells);
}

bool has_part(Cell cell, RecurrentPart part) {
  if (part == RecurrentPart::gates) return has_gates(cell);
  return part == RecurrentPart::states || cell == Cell::lstm || cell == Cell::gru;
}

Recurrent recurrent_settings(const Op& op) { return {cell_named(op.name), op.reverse}; }

RecurrentInputs recurrent_inputs(const Op& op, const std::vector<Tensor>& in_place) {
  const Cell cell = cell_named(op.name);
  return from_list(cell, in_place, with_lengths(op, cell));
}

RecurrentInputs recurrent_inputs(const Op& op) { return recurrent_inputs(op, op.inputs); }

RecurrentKept recurrent_kept(const Op& op) {
  const Cell cell = cell_named(op.name);
  std::size_t next = op.inputs.size() - parts_of(cell) - 1;
  RecurrentKept kept;
  kept.states = op.inputs[next++];
  if (has_gates(cell)) kept.gates = op.inputs[next++];
  if (has_part(cell, RecurrentPart::more)) kept.more = op.inputs[next++];
  kept.grad = op.inputs[next];
  return kept;
}

Tensor recurrent(const Recurrent& settings, RecurrentPart part, const RecurrentInputs& in) {
  check_recurrent(settings, in);
  if (!has_part(settings.cell, part)) fail("recurrent", "there is no such part of ", name(settings.cell));
  const Shape& x = in.x.shape();
  return make_tensor({.kind = OpKind::recurrent,
                      .inputs = as_list(in),
                      .shape = {x[0], x[1], part == RecurrentPart::gates ? x[2] : in.weight.shape()[1]},
                      .dtype = in.x.dtype(),
                      .dims = {static_cast<Dim>(part)},
                      .reverse = settings.reverse,
                      .name = name(settings.cell)});
}

Tensor recurrent_grad(const Recurrent& settings, RecurrentGrad what, RecurrentPart flows_to, const RecurrentInputs& in,
                      const RecurrentKept& kept) {
  check_recurrent(settings, in);
  if (!has_grad(settings.cell, what) || flows_to == RecurrentPart::gates || !has_part(settings.cell, flows_to) ||
      (flows_to == RecurrentPart::more && settings.cell != Cell::lstm))
    fail("recurrent_grad", "there is no such gradient of ", name(settings.cell));
  const Shape &x = in.x.shape(), state = in.state.shape(), states = {x[0], x[1], state[1]};
  std::vector<Tensor> inputs = as_list(in);
  const auto add = [&](const Tensor& t, const Shape& shape) {
    if (!t || t.shape() != shape || t.dtype() != in.x.dtype()) fail("recurrent_grad", "takes what recurrent has made");
    inputs.push_back(t);
  };
  add(kept.states, states);
  if (has_gates(settings.cell)) add(kept.gates, x);
  if (has_part(settings.cell, RecurrentPart::more)) add(kept.more, states);
  add(kept.grad, states);
  const bool first = what == RecurrentGrad::state || what == RecurrentGrad::cell;
  return make_tensor({.kind = OpKind::recurrent_grad,
                      .inputs = std::move(inputs),
                      .shape = first                          ? state
                               : what == RecurrentGrad::reset ? states
                                                              : x,
                      .dtype = in.x.dtype(),
                      .dims = {static_cast<Dim>(what), static_cast<Dim>(flows_to)},
                      .reverse = settings.reverse,
                      .name = name(settings.cell)});
}

Tensor rebuilt_recurrent(const Op& op) {
  const Cell cell = cell_named(op.name);
  const std::size_t least = cell == Cell::lstm ? 5 : 4,
                    kept = op.kind == OpKind::recurrent_grad ? parts_of(cell) + 1 : 0;
  const bool is_grad = op.kind == OpKind::recurrent_grad;
  if (op.inputs.size() < least + kept || op.inputs.size() > least + kept + 1 || op.dims.size() != (is_grad ? 2U : 1U) ||
      op.dims[0] < 0 || op.dims[0] > (is_grad ? 4 : 2) || op.dims.back() < 0 || op.dims.back() > (is_grad ? 2 : 4))
    fail("recurrent", "inputs and dims do not fit ", op.name);
  if (!is_grad) return recurrent(recurrent_settings(op), part_of(op), recurrent_inputs(op));
  return recurrent_grad(recurrent_settings(op), grad_of(op), static_cast<RecurrentPart>(op.dims[1]),
                        recurrent_inputs(op), recurrent_kept(op));
}

}  // namespace backpass
