// Who is asked, and when.
#include "base/interrupt.h"

#include <chrono>
#include <utility>

#include "base/float_mode.h"

namespace backpass {
namespace {

using Clock = std::chrono::steady_clock;

thread_local Interrupt* current = nullptr;
thread_local bool asking = false;
thread_local Clock::time_point asked{};  // the last time, in whatever call

// Unsets it however the question ends.
struct Asking {
  Asking() { asking = true; }
  ~Asking() { asking = false; }
};

}  // namespace

Interrupt::Interrupt(std::function<void()> ask) : ask_(std::move(ask)), outer_(std::exchange(current, this)) {}

Interrupt::~Interrupt() { current = outer_; }

void ask_interrupt() {
  if (current == nullptr || asking) return;
  const Clock::time_point now = Clock::now();
  if (now - asked < std::chrono::milliseconds(50)) return;
  asked = now;
  const Interrupt* who = current;
  while (who != nullptr && !who->ask_) who = who->outer_;
  const Asking within;
  const HostFloatMode mode;
  if (who != nullptr) who->ask_();
}

bool is_asking() noexcept { return asking; }

}  // namespace backpass
