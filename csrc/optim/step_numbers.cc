// Numbers of a step, computed by the host.
#include "optim/step_numbers.h"

#include <algorithm>

#include "optim/state.h"

namespace backpass {
namespace {

std::span<const std::int32_t> elements(const ArrayView& view) {
  return {static_cast<const std::int32_t*>(view.data), static_cast<std::size_t>(element_count(view.shape))};
}

template <class T>
StepNumbers<T> numbers_of(const kernels::UpdateSettings& s, std::int64_t step) {
  const auto number = [](auto x) { return static_cast<T>(x); };
  return {number(s.learning_rate), number(s.step_size), number(s.gradient_step), number(s.root), number(s.rectified),
          number(s.fresh1),        number(s.eps),       number(s.shrink),        number(step)};
}

// What computes them for all graphs of an optimizer. Its rule, which may go on from the last step, is its own.
class Numbers {
 public:
  explicit Numbers(std::shared_ptr<Optimizer::State> state) : state_(std::move(state)), rule_(state_->rule) {}

  // Of steps of any shape, as maps over several states have them: (*shape, entries * kStepNumbers).
  template <class T>
  Array of(const ArrayView& steps, DType dtype) {
    const std::lock_guard lock(mutex_);
    const std::size_t entries = state_->groups.table().size();
    Shape shape = steps.shape;
    shape.push_back(static_cast<Dim>(entries) * kStepNumbers);
    Array result(dtype, shape);
    auto* out = reinterpret_cast<StepNumbers<T>*>(result.data());
    for (const std::int64_t done : elements(steps)) {
      const double rate = state_->learning_rate_after(done);
      for (std::size_t entry = 0; entry < entries; ++entry)
        *out++ = numbers_of<T>(state_->settings_of(rule_, rate, done + 1, entry), done + 1);
    }
    return result;
  }

 private:
  std::mutex mutex_;
  std::shared_ptr<Optimizer::State> state_;
  Rule rule_;
};

// One for all graphs of a state: recordings are found again by it.
std::shared_ptr<const HostFunction> function_of(const std::shared_ptr<Optimizer::State>& state, DType dtype) {
  std::weak_ptr<const HostFunction>& kept = state->numbers_of_steps[dtype == DType::float64 ? 1 : 0];
  if (auto found = kept.lock()) return found;
  const auto forward = [numbers = std::make_shared<Numbers>(state), dtype](const std::vector<ArrayView>& inputs) {
    return dtype == DType::float64 ? numbers->of<double>(inputs[0], dtype) : numbers->of<float>(inputs[0], dtype);
  };
  auto made = std::make_shared<const HostFunction>(HostFunction{"step numbers", forward});
  kept = made;
  return made;
}

Tensor host_op(std::shared_ptr<const HostFunction> function, const Tensor& steps, Shape shape, DType dtype) {
  return make_tensor({.kind = OpKind::host,
                      .inputs = {steps},
                      .shape = std::move(shape),
                      .dtype = dtype,
                      .host = std::move(function)});
}

}  // namespace

Tensor step_numbers(const std::shared_ptr<Optimizer::State>& state, const Tensor& steps, DType dtype) {
  const Dim entries = static_cast<Dim>(state->groups.table().size());
  return host_op(function_of(state, dtype), steps, {entries * kStepNumbers}, dtype);
}

Tensor next_step(const Tensor& steps) {
  const auto forward = [](const std::vector<ArrayView>& inputs) {
    Array result(DType::int32, inputs[0].shape);
    std::ranges::transform(elements(inputs[0]), result.values<std::int32_t>().begin(),
                           [](std::int32_t step) { return step + 1; });
    return result;
  };
  static const auto function = std::make_shared<const HostFunction>(HostFunction{"next step", forward});
  return host_op(function, steps, steps.shape(), DType::int32);
}

}  // namespace backpass
