// Hiring, serving, leaving.
#include "plan/workers/crew.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <thread>

#include "plan/workers/core_time.h"
#include "plan/workers/region.h"
#include "plan/workers/spin.h"
#include "plan/workers/supply.h"

namespace backpass {
namespace {

constexpr int kCrews = 64;  // callers that are helped at once; more work alone
// After so many turns of waiting (some 50 microseconds) a helper sleeps.
constexpr int kTurnsAwake = kSpins + 100;
constexpr std::int64_t kBlink = 300'000, kLongestRest = 50'000'000;  // nanoseconds
constexpr std::int64_t kPatience = 5;                                // seconds: then a crew that nobody hires goes

constinit Crew crews[kCrews];

// One crew at a time tries out how many threads there are, and makes them: else two would count the same.
std::atomic<bool> starting{false};

std::int64_t now() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

Crew* Crew::hire(int workers) {
  for (Crew& crew : crews) {
    if (!crew.take(kIdle)) continue;
    if (crew.fits(workers)) return &crew;
    crew.state_.store(crew.helpers_ > 0 ? kIdle : kGone);
  }
  if (starting.exchange(true)) return nullptr;
  for (Crew& crew : crews) {
    if (!crew.take(kGone)) continue;
    crew.start(workers);
    if (crew.helpers_ == 0) starting.store(false);
    starting.wait(true);  // once: later runs allocate nothing, and find all helpers
    return &crew;
  }
  starting.store(false);
  return nullptr;
}

bool Crew::take(State from) noexcept {
  int state = from;
  return state_.load(std::memory_order_relaxed) == from && state_.compare_exchange_strong(state, kHired);
}

// One without helpers says for a while that there are none to be had: trying costs system calls.
bool Crew::fits(int workers) const { return asked_ >= workers && (helpers_ > 0 || now() < started_ + kPatience); }

void Crew::start(int workers) {
  asked_ = workers;
  helpers_ = 0;
  started_ = now();
  over_.store(false);
  try {
    if (seats_.load() == nullptr) seats_.store(new Seat[static_cast<std::size_t>(most_threads())]);
    const SignalsHeld held;
    const int helpers = obtainable_threads(workers - 1);
    if (helpers > 0) std::thread([this, helpers, seen = generation_.load()] { live(helpers, seen); }).detach();
    helpers_ = helpers;
  } catch (const std::exception&) {  // no memory, or no thread
  }
  if (helpers_ < workers - 1) note_shortage(workers, helpers_ + 1);
}

void Crew::live(int helpers, std::uint32_t seen) noexcept {
  open_region(helpers, [&](int helper) { serve(helper, seen); });
  state_.store(kGone);
}

void Crew::serve(int helper, std::uint32_t seen) noexcept {
  if (helper == 0) {  // whose turn comes when all are made
    starting.store(false);
    starting.notify_all();
  }
  std::atomic<Job*>& inside = seats_.load()[helper].inside;
  while (await(seen, helper == 0)) {
    seen = generation_.load();
    Job* const job = job_.load();
    inside.store(job);  // told, then looked at again: let_go looks in the other order
    const CoreTime time;
    if (job != nullptr && job_.load() == job) job->work(helper + 1);
    inside.store(nullptr);
    rest(time.lost());
  }
}

// A helper that has lost its core stays away for ten times as long: then whoever waited for the task that it held has
// lost a tenth by a busy neighbour.
void Crew::rest(std::int64_t lost) noexcept {
  if (lost < kBlink) return;
  const std::int64_t nanoseconds = std::min(10 * lost, kLongestRest);
  const timespec time{0, static_cast<long>(nanoseconds)};
  nanosleep(&time, nullptr);
}

// Until there is something new; false where the crew goes.
bool Crew::await(std::uint32_t seen, bool first) noexcept {
  for (int turn = 0; generation_.load() == seen; ++turn) {
    if (turn < kTurnsAwake)
      wait_a_turn(turn);
    else if (!sleep(seen) && first)
      leave();
  }
  return !over_.load();
}

bool Crew::sleep(std::uint32_t seen) noexcept {
  sleepers_.fetch_add(1);
  const bool in_time = futex_wait(generation_, seen, kPatience);
  sleepers_.fetch_sub(1);
  return in_time;
}

void Crew::leave() noexcept {
  if (int idle = kIdle; !state_.compare_exchange_strong(idle, kLeaving)) return;
  over_.store(true);
  wake();
}

void Crew::wake() noexcept {
  generation_.fetch_add(1);
  if (sleepers_.load() > 0) futex_wake_all(generation_);
}

Job* Crew::offer(Job& job) noexcept {
  Job* const before = job_.exchange(&job);
  wake();
  return before;
}

template <class F>
void Crew::for_each_seat(F f) noexcept {
  if (Seat* seats = seats_.load())
    for (int i = 0; i < most_threads(); ++i) f(seats[i]);
}

void Crew::let_go(const Job& job) noexcept {
  for (Crew& crew : crews)
    crew.for_each_seat([&](const Seat& seat) {
      for (int turn = 0; seat.inside.load() == &job; ++turn) wait_a_turn(turn);
    });
}

void Crew::forget_all() noexcept {
  starting.store(false);
  for (Crew& crew : crews) {
    crew.state_.store(kGone);
    crew.job_.store(nullptr);
    crew.sleepers_.store(0);
    crew.for_each_seat([](Seat& seat) { seat.inside.store(nullptr); });
  }
}

}  // namespace backpass
