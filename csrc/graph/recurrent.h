// Recurrent layers over all steps of a series: one op, whose call walks through time.
#pragma once

#include "graph/op.h"

namespace backpass {

// What happens in a step, of states of width H before it: x the step's part of the input, q = h Wᵀ + b.
//   tanh, relu   h = f(x + q)
//   lstm         i, f, o = sigmoid(x + q), g = tanh(x + q); c = f c + i g; h = o tanh(c). Gates i f g o
//   gru          r, z = sigmoid(x + q), n = tanh(x + r q); h = (1 - z) n + z h. Gates r z n
//   gru_before   the same, but n = tanh(x + (r h) Wᵀ + b): the reset gate stands before the product
enum class Cell : unsigned char { tanh, relu, lstm, gru, gru_before };

const char* name(Cell cell);
Cell cell_named(const std::string& name);  // throws std::invalid_argument
Dim gates_of(Cell cell);                   // 1, 4 or 3
inline bool has_gates(Cell cell) { return gates_of(cell) > 1; }

// Of OpKind::recurrent, by dims[0]: each over all steps, (n, steps, ...).
enum class RecurrentPart : unsigned char {
  states,  // h after each step, width H
  gates,   // width of all gates; of a cell that has some
  more,    // lstm: c after each step; gru: what r is multiplied by. Width H
};

// Of OpKind::recurrent_grad, by dims[0]; dims[1] says to which part of the op the gradient flows.
enum class RecurrentGrad : unsigned char {
  x,
  product,  // to q; of a gru, of the others it is that to x
  state,    // to the first h
  cell,     // to the first c
  reset,    // gru_before: no gradient, but r h before each step
};

struct Recurrent {
  Cell cell = Cell::tanh;
  bool reverse = false;  // from the last step to the first
};

// Inputs of both ops, the first of recurrent_grad's. x (n, steps, gates H), weight (gates H, H), bias (gates H), state
// (n, H), cell (n, H) of an lstm, lengths (n) int32 or none: beyond them a row keeps its states.
struct RecurrentInputs {
  Tensor x, weight, bias, state, cell, lengths;
};

// Throws std::invalid_argument where shapes or types do not fit.
Tensor recurrent(const Recurrent& settings, RecurrentPart part, const RecurrentInputs& inputs);

Recurrent recurrent_settings(const Op& op);
RecurrentInputs recurrent_inputs(const Op& op);
RecurrentInputs recurrent_inputs(const Op& op, const std::vector<Tensor>& in_place);  // of its inputs
inline RecurrentPart part_of(const Op& op) { return static_cast<RecurrentPart>(op.dims[0]); }
inline RecurrentGrad grad_of(const Op& op) { return static_cast<RecurrentGrad>(op.dims[0]); }
// What recurrent_grad reads beside: each part, and the gradient. Empty where the cell has no such part.
struct RecurrentKept {
  Tensor states, gates, more, grad;
};
RecurrentKept recurrent_kept(const Op& op);
bool has_part(Cell cell, RecurrentPart part);
Tensor recurrent_grad(const Recurrent& settings, RecurrentGrad what, RecurrentPart flows_to, const RecurrentInputs& in,
                      const RecurrentKept& kept);

// The same, step by step by other ops: what is differentiated again, and what is mapped over weights. `shift` (n,
// steps, gates H) is added to q.
struct RecurrentSteps {
  Tensor states, gates, more, reset;
};
RecurrentSteps unrolled(const Recurrent& settings, const RecurrentInputs& inputs, const Tensor& shift = {});

}  // namespace backpass
