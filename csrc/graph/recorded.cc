// Recorded ops: making them, and those that nobody has asked for.
#include "graph/recorded.h"

#include <algorithm>
#include <utility>

namespace backpass {
namespace {

thread_local bool records_gradients = true;

constexpr std::size_t kLong = 256;  // ops without gradients from which a recording is computed without being asked for

struct Unasked {
  std::vector<std::weak_ptr<const Op>> ops;
  std::size_t limit = 2 * kLong;
  void (*settle)(const std::vector<Tensor>&) = nullptr;
};

// The host program's lock guards it: recordings are made under it.
Unasked& unasked() {
  static Unasked* all = new Unasked;  // never destroyed: tensors may outlive what is
  return *all;
}

bool is_open(const std::weak_ptr<const Op>& op) {
  const auto held = op.lock();
  return held && !held->recorded->known;
}

bool may_settle(const Tensor& t) { return !t.op().recorded->known && !t.op().recorded->requires_grad; }

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
    wants = wants || from->requires_grad;
    freed = freed || from->freed;
  }
  if (!any) return nullptr;
  auto recorded = std::make_shared<Recorded>();
  recorded->requires_grad = wants && records_gradients && op.kind != OpKind::stop_gradient && op.dtype != DType::int32;
  recorded->freed = freed && op.kind != OpKind::stop_gradient;
  return recorded;
}

void note_unasked(const Tensor& t) {
  Unasked& all = unasked();
  all.ops.push_back(t.shared());
  if (all.ops.size() < all.limit) return;
  std::erase_if(all.ops, [](const auto& each) { return !is_open(each); });
  std::vector<Tensor> found;
  for (const auto& each : all.ops)
    if (const auto held = each.lock(); held && may_settle(Tensor(held))) found.emplace_back(held);
  if (found.size() >= kLong && all.settle != nullptr) {
    all.settle(found);
    std::erase_if(all.ops, [](const auto& each) { return !is_open(each); });
  }
  all.limit = std::max(2 * kLong, 2 * all.ops.size());
}

std::vector<Tensor> take_unasked() {
  Unasked& all = unasked();
  std::vector<Tensor> found;
  for (const auto& each : all.ops)
    if (auto held = each.lock(); held && !held->recorded->known) found.emplace_back(std::move(held));
  all.ops.clear();
  all.limit = 2 * kLong;
  return found;
}

void set_settler(void (*settle)(const std::vector<Tensor>&)) { unasked().settle = settle; }

void forget_inputs(const Tensor& t) {
  Op& op = const_cast<Op&>(t.op());
  const std::vector<Tensor> gone = std::move(op.inputs);
  op.inputs.clear();
  op.recorded->callee = nullptr;
}

}  // namespace backpass
