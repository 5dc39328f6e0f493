// Graphs as they are in training, whatever runs them.
#include <unordered_map>

#include "backpass/transforms.h"
#include "graph/op_row.h"
#include "graph/reach.h"

namespace backpass {
namespace {

// What training does otherwise: it draws, and refuses a batch of too few rows.
bool is_by_mode(const Op& op) {
  return !op.always && (role(op) == Role::generator || (op.kind == OpKind::count && op.alpha > 0));
}

class AsTrained {
 public:
  void add(const Tensor& t) {
    const Op& op = t.op();
    if (op.kind == OpKind::by_mode) {
      places_[&op] = of(op.inputs[0]);
    } else if (op.kind == OpKind::track) {
      places_[&op] = of(op.inputs[0]);
      Tensor& next = next_of(op.inputs[1]);
      next = next + (of(op.inputs[2]) - next) * op.alpha;
    } else {
      add_again(op);
    }
  }

  Tensor of(const Tensor& t) const {
    const auto found = places_.find(&t.op());
    return found == places_.end() ? t : found->second;
  }

  std::vector<std::pair<Tensor, Tensor>> moves = {};  // of states

 private:
  void add_again(const Op& op) {
    Op again = op;
    again.layer = nullptr;
    again.always = op.always || is_by_mode(op);
    bool other = is_by_mode(op);
    for (Tensor& from : again.inputs) {
      const Tensor now = of(from);
      other = other || now != from;
      from = now;
    }
    if (other) places_[&op] = make_tensor(std::move(again));
  }

  Tensor& next_of(const Tensor& state) {
    for (auto& [moved, next] : moves)
      if (moved == state) return next;
    return moves.emplace_back(state, state).second;
  }

  std::unordered_map<const Op*, Tensor> places_;
};

}  // namespace

InTraining in_training(const std::vector<Tensor>& ys) {
  AsTrained trained;
  for (const Tensor& t : reachable(ys)) trained.add(t);
  InTraining result{{}, trained.moves};
  for (const Tensor& y : ys) result.ys.push_back(trained.of(y));
  return result;
}

}  // namespace backpass
