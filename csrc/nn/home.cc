// Homes of parameters.
#include "nn/home.h"

#include <algorithm>

namespace backpass {

Home::Home(DType type, Dim parameters, Dim n_values)
    : dtype(type), n_parameters(parameters), values(static_cast<std::size_t>(n_values) * size_of(type)) {}

void Home::make_gradients() {
  if (!has_gradients()) {
    const std::lock_guard lock(making_gradients_);
    if (!has_gradients_.load(std::memory_order_relaxed))
      gradients_ = AlignedBuffer(static_cast<std::size_t>(n_parameters) * size_of(dtype));
    has_gradients_.store(true, std::memory_order_release);
  }
  if (zero_.load(std::memory_order_relaxed) && zero_.exchange(false))
    std::fill_n(gradients_.data(), gradients_.size(), std::byte{0});
}

void Home::clear_gradients() {
  if (!has_gradients()) return;
  zero_ = true;
  if (shown_) gradients();
}

std::byte* home_values(const Op& op) {
  if (!op.residence || !op.residence->home) return nullptr;
  return Block{op.residence->home, 0, 0, op.residence->offset}.values();
}

std::byte* home_gradients(const Op& op) {
  if (!op.residence || !op.residence->home || op.kind != OpKind::parameter) return nullptr;
  return Block{op.residence->home, 0, 0, op.residence->offset}.gradients();
}

}  // namespace backpass
