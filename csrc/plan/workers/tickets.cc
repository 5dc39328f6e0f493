// Taking tasks and completing stages.
#include "plan/workers/tickets.h"

#include "plan/workers/spin.h"

namespace backpass {
namespace {

// Some 60 to 200 microseconds: longer than most waits on an idle machine, where waking takes long, too.
constexpr int kTurnsAlert = 10 * kSpins;

constexpr std::uint64_t tagged(std::uint32_t run, std::uint32_t count) { return std::uint64_t{run} << 32 | count; }
constexpr std::uint32_t run_of(std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32); }
constexpr std::uint32_t count_of(std::uint64_t value) { return static_cast<std::uint32_t>(value); }

}  // namespace

void Tickets::resize(std::size_t stages, int workers, std::vector<std::uint32_t> bounds) {
  stages_ = stages;
  workers_ = workers;
  bounds_ = std::move(bounds);
  next_ = std::make_unique<Counter[]>(stages * static_cast<std::size_t>(workers));
  done_ = std::make_unique<Counter[]>(stages);
}

void Tickets::begin_run(std::uint32_t extent) {
  if (++runs_ == 0) ++runs_;
  for (std::size_t stage = 0; stage < stages_; ++stage) {
    done_[stage].value.store(tagged(runs_, 0), std::memory_order_relaxed);
    const std::uint32_t* bounds = bounds_.data() + stage * (static_cast<std::size_t>(workers_) + 1);
    for (int owner = 0; owner < workers_; ++owner)
      next_[index(stage, owner)].value.store(tagged(runs_, bounds[owner]), std::memory_order_relaxed);
  }
  run_.store(tagged(runs_, extent), std::memory_order_release);
}

void Tickets::end_run() {
  run_.store(0, std::memory_order_release);
  for (std::size_t stage = 0; stage < stages_; ++stage) {
    done_[stage].value.store(0, std::memory_order_release);
    for (int owner = 0; owner < workers_; ++owner) next_[index(stage, owner)].value.store(0, std::memory_order_release);
  }
}

Tickets::Run Tickets::run() const {
  const std::uint64_t value = run_.load(std::memory_order_acquire);
  return {run_of(value), count_of(value)};
}

std::int64_t Tickets::take(std::uint32_t run, std::size_t stage, int owner) {
  const std::uint32_t end =
      bounds_[stage * (static_cast<std::size_t>(workers_) + 1) + static_cast<std::size_t>(owner) + 1];
  std::atomic<std::uint64_t>& next = next_[index(stage, owner)].value;
  std::uint64_t value = next.load(std::memory_order_acquire);
  for (;;) {
    if (run_of(value) != run) return kOver;
    if (count_of(value) >= end) return kNone;
    if (next.compare_exchange_weak(value, value + 1, std::memory_order_acq_rel, std::memory_order_acquire))
      return count_of(value);
  }
}

void Tickets::complete(std::size_t stage, std::uint32_t tasks) {
  done_[stage].value.fetch_add(tasks);
  if (!caller_sleeps_.load()) return;  // looked at after the sum, which the caller looks at after saying so
  calls_.fetch_add(1);
  futex_wake_all(calls_);
}

bool Tickets::wait_as_helper(std::uint32_t run, std::size_t stage, std::uint32_t tasks) const {
  for (int turn = 0;; ++turn) {
    const std::uint64_t value = done_[stage].value.load(std::memory_order_acquire);
    if (run_of(value) != run) return false;
    if (count_of(value) == tasks) return true;
    wait_a_turn(turn);
  }
}

void Tickets::wait_as_caller(std::uint32_t run, std::size_t stage, std::uint32_t tasks) {
  const auto complete = [&] { return done_[stage].value.load() == tagged(run, tasks); };
  for (int turn = 0; turn < kTurnsAlert; ++turn) {
    if (complete()) return;
    pause();
  }
  caller_sleeps_.store(true);
  for (;;) {
    const std::uint32_t seen = calls_.load();
    if (complete()) break;
    futex_wait(calls_, seen, 1);
  }
  caller_sleeps_.store(false);
}

}  // namespace backpass
