// Crews: workers that outlast the calls that they help.
#pragma once

#include <atomic>
#include <cstdint>

#include "plan/workers/futex.h"

namespace backpass {

// Work that is done when the caller, worker 0, returns from it; the others help as long as there is something to take.
class Job {
 public:
  virtual ~Job() = default;
  virtual void work(int worker) noexcept = 0;
};

// Helpers of one caller at a time, in an OpenMP region that a thread of ours has opened. They wait for jobs: they spin
// for a moment, then yield, then sleep. The caller is not in the region and never joins it, so it waits for nobody who
// has lost a core. Crews are places in a list that is never destroyed: when the process ends their threads are still
// there.
class Crew {
 public:
  // A crew for `workers`, the caller among them, that is the caller's alone until it is released. It may have fewer
  // helpers than that, or none. Null where too many callers have one, or another one is being made.
  static Crew* hire(int workers);
  void release() { state_.store(kIdle); }
  int helpers() const { return helpers_; }

  // Offers a job to the helpers; gives what was on offer before, which is put back when the job is done.
  Job* offer(Job& job) noexcept;
  void put_back(Job* before) noexcept { job_.store(before); }

  // Returns when no helper is inside a job that is not on offer any more: before it is destroyed or changed.
  static void let_go(const Job& job) noexcept;
  // In the child of a fork there are no helpers.
  static void forget_all() noexcept;

 private:
  enum State : int { kGone, kIdle, kHired, kLeaving };
  struct alignas(64) Seat {
    std::atomic<Job*> inside{nullptr};  // what its helper works on
  };

  bool take(State from) noexcept;
  bool fits(int workers) const;
  void start(int workers);
  void live(int helpers, std::uint32_t seen) noexcept;
  void serve(int helper, std::uint32_t seen) noexcept;
  bool await(std::uint32_t seen, bool first) noexcept;
  bool sleep(std::uint32_t seen) noexcept;
  static void rest(std::int64_t lost) noexcept;
  void leave() noexcept;
  void wake() noexcept;
  template <class F>
  void for_each_seat(F f) noexcept;

  std::atomic<int> state_{kGone};
  int asked_ = 0, helpers_ = 0;  // whoever has hired the crew looks at these
  std::int64_t started_ = 0;     // second
  std::atomic<Seat*> seats_{nullptr};
  std::atomic<bool> over_{false};
  alignas(64) std::atomic<Job*> job_{nullptr};
  FutexWord generation_{0};  // counts offers
  std::atomic<int> sleepers_{0};
};

}  // namespace backpass
