// Recorded ops: making them, and those that nobody has asked for.
#include "graph/recorded.h"

#include <algorithm>
#include <utility>

namespace backpass {
namespace {

thread_local bool records_gradients = true;

// Of so many ops one after the other, none of which has a gradient, the last is computed without being asked for.
constexpr std::uint32_t kDeep = 64;

struct Unasked {
  static constexpr std::size_t kLeast = 512;
  std::vector<std::weak_ptr<const Op>> ops;
  std::size_t limit = kLeast;  // from which those that are gone are taken out
};

// By thread: what one has recorded is no other's to run.
thread_local Unasked unasked;

void (*compute_now)(const Tensor&) = nullptr;

bool is_open(const std::weak_ptr<const Op>& op) {
  const auto held = op.lock();
  return held && !held->recorded->known;
}

std::uint32_t depth_below(const std::vector<Tensor>& inputs) {
  std::uint32_t depth = 0;
  for (const Tensor& x : inputs)
    if (const Recorded* from = x.op().recorded.get(); from && !from->known) depth = std::max(depth, from->depth);
  return depth;
}

}  // namespace

bool recording_gradients() { return records_gradients; }
void set_recording_gradients(bool on) { records_gradients = on; }

Tensor known_tensor(Array value, bool requires_grad) {
  auto recorded = std::make_shared<Recorded>();
  recorded->known = recorded->leaf = true;
  recorded->requires_grad = requires_grad;
  recorded->value = std::move(value);
  Op op{.kind = OpKind::input, .inputs = {}, .shape = recorded->value.shape(), .dtype = recorded->value.dtype()};
  return make_tensor(std::move(op), std::move(recorded));
}

Tensor recorded_call(std::shared_ptr<const Callee> callee, std::vector<Tensor> inputs, Shape shape, DType dtype,
                     bool requires_grad) {
  auto recorded = std::make_shared<Recorded>();
  recorded->requires_grad = requires_grad;
  recorded->callee = std::move(callee);
  recorded->depth = depth_below(inputs) + 1;
  for (const Tensor& x : inputs) recorded->freed = recorded->freed || (x.op().recorded && x.op().recorded->freed);
  Op op{.kind = OpKind::input, .inputs = std::move(inputs), .shape = std::move(shape), .dtype = dtype};
  Tensor made = make_tensor(std::move(op), std::move(recorded));
  note_unasked(made);
  return made;
}

std::shared_ptr<Recorded> recorded_from(const Op& op) {
  bool any = false, wants = false, freed = false;
  for (const Tensor& x : op.inputs) {
    const Recorded* from = x.op().recorded.get();
    if (x.op().open) return nullptr;
    if (from == nullptr) continue;
    any = true;
    wants = wants || (from->requires_grad && !from->freed);  // of what is freed nothing can be asked
    freed = freed || from->freed;
  }
  if (!any) return nullptr;
  auto recorded = std::make_shared<Recorded>();
  recorded->requires_grad = wants && records_gradients && op.kind != OpKind::stop_gradient && op.dtype != DType::int32;
  recorded->freed = freed && op.kind != OpKind::stop_gradient;
  recorded->depth = depth_below(op.inputs) + 1;
  return recorded;
}

void note_unasked(const Tensor& t) {
  Unasked& all = unasked;
  all.ops.push_back(t.shared());
  if (all.ops.size() >= all.limit) {
    std::erase_if(all.ops, [](const auto& each) { return !is_open(each); });
    all.limit = std::max(Unasked::kLeast, 2 * all.ops.size());
  }
  const Recorded& recorded = *t.op().recorded;
  if (recorded.depth >= kDeep && !recorded.requires_grad && compute_now != nullptr) compute_now(t);
}

std::vector<Tensor> take_unasked() {
  Unasked& all = unasked;
  std::vector<Tensor> found;
  for (const auto& each : all.ops)
    if (auto held = each.lock(); held && !held->recorded->known) found.emplace_back(std::move(held));
  all.ops.clear();
  all.limit = Unasked::kLeast;
  return found;
}

void set_computer(void (*compute)(const Tensor&)) { compute_now = compute; }

void forget_inputs(const Tensor& t) {
  Op& op = const_cast<Op&>(t.op());
  const std::vector<Tensor> gone = std::move(op.inputs);
  op.inputs.clear();
  op.recorded->callee = nullptr;
}

}  // namespace backpass
