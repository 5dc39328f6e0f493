// A cap, a trial, a word about what is missing.
#include "plan/workers/supply.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <latch>
#include <thread>
#include <vector>

#include "backpass/machine.h"
#include "plan/workers/sharing.h"

namespace backpass {
namespace {

constexpr int kMostByCpu = 4, kMostAnywhere = 16;  // beyond, threads only wait for one another

std::atomic<void (*)(ThreadShortage)> listener{nullptr};
std::atomic<bool> told{false};

// A thread counts against the limits for a moment after it was joined.
void wait_until_gone(pid_t thread) {
  while (tgkill(getpid(), thread, 0) == 0) sched_yield();
}

}  // namespace

int most_threads() {
  static const int most = std::max(kMostAnywhere, kMostByCpu * usable_cpus());
  return most;
}

int obtainable_threads(int wanted) {
  if (wanted <= 1) return wanted;  // one is simply made
  std::latch over(1);
  std::vector<std::thread> alive;
  std::vector<pid_t> names;
  try {
    alive.reserve(static_cast<std::size_t>(wanted));
    names.resize(static_cast<std::size_t>(wanted));
    for (pid_t& name : names)
      alive.emplace_back([&] {
        name = gettid();
        over.wait();
      });
  } catch (const std::exception&) {  // so many, then
  }
  over.count_down();
  for (std::size_t i = 0; i < alive.size(); ++i) {
    alive[i].join();
    wait_until_gone(names[i]);
  }
  return static_cast<int>(alive.size());
}

void note_shortage(int asked, int had) noexcept {
  const auto tell = listener.load();
  if (tell != nullptr && !told.exchange(true)) tell({asked, had});
}

void on_thread_shortage(void (*tell)(ThreadShortage)) { listener.store(tell); }

SignalsHeld::SignalsHeld() {
  sigset_t held;
  sigfillset(&held);
  for (const int own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS}) sigdelset(&held, own);
  pthread_sigmask(SIG_SETMASK, &held, &before_);
}

SignalsHeld::~SignalsHeld() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

}  // namespace backpass
