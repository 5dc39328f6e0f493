// Hooks on gradients.
#include "eager/hooked.h"

#include <cstring>

#include "base/error.h"

namespace backpass::eager {
namespace {

thread_local const Recording* under_way = nullptr;

Array copied(const ArrayView& view) {
  Array copy(view.type == ElementType::float64 ? DType::float64 : DType::float32, view.shape);
  if (copy.bytes() > 0) std::memcpy(copy.data(), view.data, copy.bytes());
  return copy;
}

Array through_hooks(std::size_t node, const ArrayView& grad) {
  Array now = copied(grad);
  const auto hooks = under_way->nodes[node].recorded()->hooks;  // a copy: one may remove itself
  for (const auto& [number, hook] : hooks) {
    Array other = hook(now);
    if (other.data() == nullptr) continue;
    if (other.shape() != now.shape() || other.dtype() != now.dtype())
      fail("register_hook", "a hook must give a gradient of shape ", to_string(now.shape()), " and ", name(now.dtype()),
           ", got ", to_string(other.shape()), " and ", name(other.dtype()));
    now = std::move(other);
  }
  return now;
}

}  // namespace

Tensor hooked(const Tensor& x, std::size_t node) {
  return host_call({"hook", [](const std::vector<ArrayView>& inputs) { return copied(inputs[0]); },
                    [node](const std::vector<ArrayView>&, const ArrayView&, const ArrayView& grad) {
                      return std::vector<Array>{through_hooks(node, grad)};
                    }},
                   {x}, x.shape());
}

HookedRun::HookedRun(const Recording& recording) : outer_(std::exchange(under_way, &recording)) {}
HookedRun::~HookedRun() { under_way = outer_; }

}  // namespace backpass::eager
