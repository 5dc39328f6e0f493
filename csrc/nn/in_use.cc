// Entering and leaving homes.
#include "nn/in_use.h"

#include <algorithm>
#include <stdexcept>

#include "base/error.h"
#include "base/interrupt.h"

namespace backpass {
namespace {

thread_local InUse* innermost = nullptr;

}  // namespace

bool Users::enter(Use use) noexcept {
  int inside = 0;
  if (use != Use::reads) return inside_.compare_exchange_strong(inside, kAlone, std::memory_order_acquire);
  while (inside != kAlone)
    if (inside_.compare_exchange_weak(inside, inside + 1, std::memory_order_acquire)) return true;
  return false;
}

void Users::leave(Use use) noexcept {
  if (use == Use::reads)
    inside_.fetch_sub(1, std::memory_order_release);
  else
    inside_.store(0, std::memory_order_release);
}

InUse::InUse(std::span<Users* const> homes, Use use) : homes_(homes), use_(use), outer_(innermost) {
  std::size_t entered = 0;
  try {
    for (; entered < homes_.size(); ++entered) enter(*homes_[entered]);
  } catch (...) {
    leave(entered);
    throw;
  }
  innermost = this;
}

InUse::~InUse() {
  innermost = outer_;
  leave(homes_.size());
}

void InUse::enter(Users& home) const {
  if (const InUse* around = call_around(home)) {
    const bool ready = around->use_ == Use::calls_back && !around->running_;
    if (!ready && !(use_ == Use::reads && is_asking()))
      throw std::runtime_error(message("Network", "is called from within its own call"));
  } else if (!home.enter(use_)) {
    throw std::runtime_error(message("Network", "is in use by another thread; give each thread a copy"));
  }
}

// What a call around this one holds is left to it.
void InUse::leave(std::size_t count) const noexcept {
  for (std::size_t i = 0; i < count; ++i)
    if (call_around(*homes_[i]) == nullptr) homes_[i]->leave(use_);
}

const InUse* InUse::call_around(const Users& home) const noexcept {
  const InUse* call = outer_;
  while (call != nullptr && std::ranges::find(call->homes_, &home) == call->homes_.end()) call = call->outer_;
  return call;
}

InUse::Running::Running() noexcept : call_(innermost), before_(call_->running_) { call_->running_ = true; }

InUse::Running::~Running() { call_->running_ = before_; }

}  // namespace backpass
