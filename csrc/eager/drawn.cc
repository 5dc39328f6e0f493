// One generator for all that no network and no seed draws.
#include "eager/drawn.h"

#include <bit>
#include <map>

#include "backpass/eager.h"
#include "graph/op_row.h"

namespace backpass::eager {
namespace {

constexpr std::size_t kMostPlans = 128;  // plans

// The host program's lock guards it.
FunctionRun& generator() {
  static FunctionRun next{0x243f6a8885a308d3};
  return next;
}

// A plan for each kind, type and shape.
const Function& function_for(const Op& op) {
  static auto* all = new std::map<std::vector<Dim>, Function>;  // never destroyed, as their threads
  std::vector<Dim> key{static_cast<Dim>(op.kind), static_cast<Dim>(op.dtype), std::bit_cast<Dim>(op.alpha)};
  key.insert(key.end(), op.shape.begin(), op.shape.end());
  if (all->size() >= kMostPlans && !all->contains(key)) all->clear();
  Function& made = (*all)[key];
  if (!made)
    made = Function(Graph({}, {make_tensor({.kind = op.kind,
                                            .shape = op.shape,
                                            .dtype = op.dtype,
                                            .alpha = op.alpha,
                                            .always = op.always,
                                            .stream = kNextStream})}),
                    true, "backpass");
  return made;
}

}  // namespace

void manual_seed(std::uint64_t seed) { generator() = {seed}; }

FunctionRun next_draw() {
  FunctionRun run = generator();
  ++generator().step;
  return run;
}

void draw(const Tensor& t) {
  Op& op = const_cast<Op&>(t.op());
  if (op.recorded || role(op) != Role::generator) return;
  auto recorded = std::make_shared<Recorded>();
  recorded->value = std::move(function_for(op)({}, {}, next_draw())[0]);
  recorded->known = recorded->leaf = true;
  op.recorded = std::move(recorded);
}

}  // namespace backpass::eager
