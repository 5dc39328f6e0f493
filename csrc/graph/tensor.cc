// Tensor and Op: making, naming, leaves.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <utility>

#include "base/error.h"
#include "graph/recorded.h"

namespace backpass {

const Shape& Tensor::shape() const { return op_->shape; }
DType Tensor::dtype() const { return op_->dtype; }
const std::string& Tensor::name() const { return op_->name; }

std::uint64_t Tensor::id() const { return op_->id; }

std::string Tensor::kind() const {
  return op_->kind == OpKind::elementwise ? backpass::name(op_->fn) : backpass::name(op_->kind);
}

namespace {

// Once a tensor is there, products of its dimensions are sizes.
void check_elements(const Shape& shape) {
  Shape known = shape;
  std::replace(known.begin(), known.end(), kBatch, Dim{1});  // which a transpose moves behind others
  element_count(known);
}

// Ops that nobody holds any more go one after the other: to release the inputs of a chain from within would need a
// stack as deep as the chain is long.
void release(const Op* op) noexcept {
  thread_local const Op* dead = nullptr;
  thread_local bool releasing = false;
  const_cast<Op*>(op)->next_dead = std::exchange(dead, op);
  if (std::exchange(releasing, true)) return;
  while (dead != nullptr) delete std::exchange(dead, dead->next_dead);
  releasing = false;
}

bool is_given_late(OpKind kind) { return kind == OpKind::input || kind == OpKind::parameter || kind == OpKind::state; }

}  // namespace

namespace {
thread_local bool deriving = false;
}

Deriving::Deriving() : before_(std::exchange(deriving, true)) {}
Deriving::~Deriving() { deriving = before_; }

std::uint64_t next_op_id() {
  static std::atomic<std::uint64_t> next_id{1};
  return next_id.fetch_add(1, std::memory_order_relaxed);
}

Tensor make_tensor(Op op, std::shared_ptr<Recorded> recorded) {
  check_elements(op.shape);
  op.id = next_op_id();
  op.derived = op.derived || deriving;
  op.open = !recorded &&
            (is_given_late(op.kind) || std::ranges::any_of(op.inputs, [](const Tensor& x) { return x.op().open; }));
  op.recorded = std::move(recorded);
  return Tensor(std::shared_ptr<const Op>(new Op(std::move(op)), release));
}

Tensor make_tensor(Op op) {
  std::shared_ptr<Recorded> recorded = recorded_from(op);
  const bool follows = recorded != nullptr;
  Tensor made = make_tensor(std::move(op), std::move(recorded));
  if (follows) note_unasked(made);
  return made;
}

namespace {

void check_shape(const char* who, const Shape& shape) {
  for (std::size_t i = 0; i < shape.size(); ++i)
    if (shape[i] < 0 && !(i == 0 && shape[i] == kBatch))
      fail(who, "dimensions must not be negative (only the first may be the batch), got ", to_string(shape));
}

}  // namespace

Tensor input(Shape shape, DType dtype, std::string name) {
  check_shape("input", shape);
  return make_tensor({.kind = OpKind::input, .shape = std::move(shape), .dtype = dtype, .name = std::move(name)});
}

namespace {

Tensor kept_value(OpKind kind, Shape shape, DType dtype, std::string own_name, Initializer initializer) {
  check_shape(name(kind), shape);
  if (!shape.empty() && shape[0] == kBatch) fail(name(kind), '"', own_name, "\" cannot have the batch as a dimension");
  if (dtype == DType::int32) fail(name(kind), '"', own_name, "\" must be float32 or float64");
  return make_tensor({.kind = kind,
                      .shape = std::move(shape),
                      .dtype = dtype,
                      .name = std::move(own_name),
                      .initializer = std::move(initializer),
                      .residence = std::make_shared<Residence>()});
}

}  // namespace

Tensor parameter(Shape shape, DType dtype, std::string name, Initializer initializer) {
  return kept_value(OpKind::parameter, std::move(shape), dtype, std::move(name), std::move(initializer));
}

Tensor state(Shape shape, DType dtype, std::string name, Initializer initializer) {
  return kept_value(OpKind::state, std::move(shape), dtype, std::move(name), std::move(initializer));
}

namespace {

void check_integers(const std::vector<double>& values) {
  using Limits = std::numeric_limits<std::int32_t>;
  for (const double value : values)
    if (!(value >= Limits::min() && value <= Limits::max() && value == std::floor(value)))
      fail("constant", "must be whole numbers within int32, got ", value);
}

}  // namespace

// Of integers, one element that is repeated: a plan's programs know real constants only.
Tensor constant(double value, Shape shape, DType dtype) {
  check_shape("constant", shape);
  if (dtype == DType::int32) return broadcast_to(constant(std::vector<double>{value}, {}, dtype), std::move(shape));
  return make_tensor({.kind = OpKind::constant, .shape = std::move(shape), .dtype = dtype, .alpha = value});
}

Tensor constant(std::vector<double> values, Shape shape, DType dtype) {
  check_shape("constant", shape);
  if (dtype == DType::int32) check_integers(values);
  if (!shape.empty() && shape[0] == kBatch) fail("constant", "values cannot have the batch as a dimension");
  if (element_count(shape) != static_cast<Dim>(values.size()))
    fail("constant", values.size(), " values do not fill shape ", to_string(shape));
  return make_tensor({.kind = OpKind::values, .shape = std::move(shape), .dtype = dtype, .values = std::move(values)});
}

}  // namespace backpass
