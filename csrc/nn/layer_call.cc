// Calling a layer: whose parameters it uses, and what is noted beside its output.
#include "nn/layer_call.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "base/error.h"
#include "graph/op.h"

namespace backpass {
namespace {

thread_local LayerContext* current_call = nullptr;

std::uint64_t next_number() { return reserve_numbers(1); }

DType dtype_of(const std::string& type, const std::vector<Tensor>& xs) {
  for (const Tensor& x : xs)
    if (!x) fail(type, "got an empty tensor");
  for (const Tensor& x : xs)
    if (x.dtype() != DType::int32) return x.dtype();
  return DType::float32;
}

// y as the output of a call: an op of its own, where y is not already an input, a leaf or another layer's output.
Tensor as_output(const Tensor& y, const std::vector<Tensor>& xs, std::shared_ptr<const LayerUse> use) {
  const bool taken = y.op().layer || y.op().inputs.empty() || std::find(xs.begin(), xs.end(), y) != xs.end();
  Op op = (taken ? view(y) : y).op();
  op.layer = std::move(use);
  return make_tensor(std::move(op));
}

}  // namespace

std::uint64_t reserve_numbers(std::uint64_t count) {
  static std::atomic<std::uint64_t> next{1};
  return next.fetch_add(count, std::memory_order_relaxed);
}

OutermostCalls::OutermostCalls() : outer_(std::exchange(current_call, nullptr)) {}

OutermostCalls::~OutermostCalls() { current_call = outer_; }

void place_in_caller(LayerUse& use) { LayerContext::place(use); }

void LayerContext::place(LayerUse& use) {
  use.parent = current_call ? current_call->call_ : 0;
  if (current_call == nullptr) return;
  current_call->plain_ = false;
  const int number = current_call->children_++;
  if (use.name.empty()) use.name = std::to_string(number);
}

LayerContext::LayerContext(std::uint64_t layer, std::shared_ptr<void> owner, std::map<std::string, Tensor>& parameters,
                           std::string type, DType dtype)
    : layer_(layer),
      call_(next_number()),
      owner_(std::move(owner)),
      parameters_(parameters),
      type_(std::move(type)),
      dtype_(dtype),
      parent_(current_call) {
  if (parent_ != nullptr) parent_->plain_ = false;
  current_call = this;
}

LayerContext::~LayerContext() { current_call = parent_; }

void LayerContext::keep_parameters() {
  if (parent_ != nullptr) parent_->made_.insert(parent_->made_.end(), made_.begin(), made_.end());
}

void LayerContext::drop_parameters() {
  for (const Made& made : made_) made.parameters->erase(made.name);
}

LayerContext* LayerContext::current() { return current_call; }

Tensor LayerContext::parameter(const std::string& name, const Shape& shape, const Initializer& initializer,
                               bool sparse) {
  return kept(name, &backpass::parameter, shape, initializer, sparse);
}

Tensor LayerContext::state(const std::string& name, const Shape& shape, const Initializer& initializer) {
  return kept(name, &backpass::state, shape, initializer, false);
}

Tensor LayerContext::kept(const std::string& name, Tensor (*make)(Shape, DType, std::string, Initializer),
                          const Shape& shape, const Initializer& initializer, bool sparse) {
  plain_ = false;
  auto found = parameters_.find(name);
  const auto fits = [&](const Tensor& known) { return known.shape() == shape && known.dtype() == dtype_; };
  // One that has no values, and that nobody else knows, may still become another.
  if (found != parameters_.end() && !fits(found->second) && !found->second.op().residence->home &&
      !found->second.is_shared())
    parameters_.erase(std::exchange(found, parameters_.end()));
  if (found == parameters_.end()) {
    Op op = make(shape, dtype_, name, initializer).op();
    op.residence->layer = layer_;
    op.residence->name = name;
    op.sparse = sparse;
    made_.push_back({owner_, &parameters_, name});
    return parameters_.emplace(name, make_tensor(std::move(op))).first->second;
  }
  const Tensor& known = found->second;
  if (!fits(known))
    fail(type_, "its ", name, " is ", backpass::name(known.dtype()), " ", to_string(known.shape()),
         " since its first call; this one needs ", backpass::name(dtype_), " ", to_string(shape),
         known.shape() == shape
             ? ": give it inputs of its type; a function computes in float64 only if all its arrays are"
             : ": a layer has one set of weights, a copy of it has others");
  return known;
}

std::shared_ptr<Layer::Own> Layer::make_own() { return std::make_shared<Own>(Own{next_number(), {}}); }

Layer Layer::copy() const {
  Layer other = *this;
  other.own_ = make_own();
  return other;
}

const Tensor& Layer::only_input(const std::string& type, const std::vector<Tensor>& xs) {
  if (xs.size() != 1) fail(type, "takes one input, got ", xs.size());
  return xs[0];
}

// A call that fails leaves no parameter behind, nor do the calls within it.
Tensor Layer::build(LayerContext& context, const std::vector<Tensor>& xs) const try {
  const Tensor y = self_->build(context, xs);
  if (!y) fail(type(), "gave an empty tensor");
  context.keep_parameters();
  return y;
} catch (...) {
  context.drop_parameters();
  throw;
}

Tensor Layer::call(const std::vector<Tensor>& xs, const std::string& name) const {
  const DType dtype = dtype_of(type(), xs);
  LayerUse use{own_->number, 0, 0, name, description(), xs, {}};
  place_in_caller(use);
  LayerContext context(own_->number, own_, own_->parameters, type(), dtype);
  use.call = context.call_;
  const Tensor y = build(context, xs);
  if (context.z_ && !(context.z_ == y)) use.z = context.z_;
  if (!use.z && context.plain_ && xs.size() == 1) use.z = xs[0];
  return as_output(y, xs, std::make_shared<const LayerUse>(std::move(use)));
}

}  // namespace backpass
