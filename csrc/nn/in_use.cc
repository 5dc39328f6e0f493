// Entering and leaving networks.
#include "nn/in_use.h"

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

InUse::InUse(Users& users, Use use) : users_(users), use_(use), outer_(innermost) {
  if (const InUse* around = call_around()) {
    const bool ready = around->use_ == Use::calls_back && !around->running_;
    if (!ready && !(use == Use::reads && is_asking()))
      throw std::runtime_error(message("Network", "is called from within its own call"));
  } else if (users.enter(use)) {
    entered_ = true;
  } else {
    throw std::runtime_error(message("Network", "is in use by another thread; give each thread a copy"));
  }
  innermost = this;
}

InUse::~InUse() {
  innermost = outer_;
  if (entered_) users_.leave(use_);
}

const InUse* InUse::call_around() const noexcept {
  const InUse* call = outer_;
  while (call != nullptr && &call->users_ != &users_) call = call->outer_;
  return call;
}

InUse::Running::Running() noexcept : call_(innermost), before_(call_->running_) { call_->running_ = true; }

InUse::Running::~Running() { call_->running_ = before_; }

}  // namespace backpass
