// The graph of a network for tensors in place of its inputs.
#include "eager/expansion.h"

#include <algorithm>

#include "graph/op_row.h"

namespace backpass::eager {
namespace {

bool is_random(const Op& op) { return role(op) == Role::generator; }

void set_rows(const OpRow& row, Op& op, Dim rows) {
  std::ranges::replace(op.shape, kBatch, rows);
  for (const OpField& field : row.fields)
    if (field.form == OpField::Form::sizes) std::ranges::replace(op.dims, kBatch, rows);
}

class Substitutor {
 public:
  Substitutor(Substitution with, Expansion& expansion) : with_(std::move(with)), expansion_(expansion) {}

  Tensor of(const Tensor& t) {
    if (const auto found = with_.stand_ins.find(&t.op()); found != with_.stand_ins.end()) return found->second;
    const Tensor made = make(t);
    with_.stand_ins.emplace(&t.op(), made);
    return made;
  }

 private:
  Tensor input(const Op& op, std::size_t i) { return of(op.inputs[i]); }

  Tensor make(const Tensor& t) {
    const Op& op = t.op();
    if (op.kind == OpKind::parameter) return t;
    if (op.kind == OpKind::state) return expansion_.state(t);
    if (op.kind == OpKind::by_mode) return input(op, with_.training ? 0 : 1);
    if (op.kind == OpKind::track) return track(op);
    if (is_random(op) && !op.always && !with_.training) return still(op);
    Op copy = op;
    copy.layer = nullptr;
    for (Tensor& x : copy.inputs) x = of(x);
    set_rows(row_of(op), copy, with_.rows);
    if (is_random(op)) copy.stream += with_.stream;
    if (op.kind == OpKind::count && !with_.training) copy.alpha = 0;
    return make_tensor(std::move(copy));
  }

  Tensor track(const Op& op) {
    const Tensor y = input(op, 0);
    if (!with_.training) return y;
    Tensor& state = expansion_.state(op.inputs[1]);
    const Tensor value = input(op, 2);
    state = state + (value - state) * op.alpha;
    return y;
  }

  // Random numbers that are drawn in training only.
  Tensor still(const Op& op) {
    Shape shape = op.shape;
    std::ranges::replace(shape, kBatch, with_.rows);
    return constant(op.kind == OpKind::random_keep ? 1.0 : 0.0, shape, op.dtype);
  }

  Substitution with_;
  Expansion& expansion_;
};

}  // namespace

std::vector<Tensor> substituted(const Graph& graph, Substitution with, Expansion& expansion) {
  Substitutor substitutor(std::move(with), expansion);
  for (const Tensor& t : graph.ops()) substitutor.of(t);  // inputs before users: no deep recursion
  std::vector<Tensor> outputs;
  for (const Tensor& y : graph.outputs()) outputs.push_back(substitutor.of(y));
  return outputs;
}

}  // namespace backpass::eager
