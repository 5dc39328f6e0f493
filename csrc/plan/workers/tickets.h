// Tickets: who runs which task of a stage, and when a stage is done.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "plan/workers/futex.h"

namespace backpass {

// Every stage has one range of tasks for each worker. A worker takes its own tasks in order, then those that others
// have not come to. Counters carry the number of the run, so that whoever comes late to a run that is over takes
// nothing.
class Tickets {
 public:
  enum : std::int64_t { kNone = -1, kOver = -2 };

  // bounds: by stage, workers + 1 ascending task numbers.
  void resize(std::size_t stages, int workers, std::vector<std::uint32_t> bounds);
  bool fits(int workers) const { return workers == workers_; }
  int workers() const { return workers_; }

  // On worker 0, when nobody holds a task. Between runs there is nothing to take and nothing to wait for.
  // `extent` says what the run asks for: whoever comes late to a run that is over must not read that of the next.
  void begin_run(std::uint32_t extent = 0);
  void end_run();
  struct Run {
    std::uint32_t number, extent;  // 0 between runs
  };
  Run run() const;

  // A task of `owner`'s range, kNone where all are taken, kOver where `run` is over.
  std::int64_t take(std::uint32_t run, std::size_t stage, int owner);
  void complete(std::size_t stage, std::uint32_t tasks);
  // Wait until `tasks` tasks of a stage are complete; false where the run is over. A helper offers its core to others.
  // The caller does not, who would not get it back before they have had a time slice each: it sleeps until it is
  // called.
  bool wait_as_helper(std::uint32_t run, std::size_t stage, std::uint32_t tasks) const;
  void wait_as_caller(std::uint32_t run, std::size_t stage, std::uint32_t tasks);

 private:
  struct alignas(64) Counter {
    std::atomic<std::uint64_t> value{0};  // run << 32 | count
  };

  std::size_t index(std::size_t stage, int owner) const {
    return stage * static_cast<std::size_t>(workers_) + static_cast<std::size_t>(owner);
  }

  std::size_t stages_ = 0;
  int workers_ = 0;
  std::vector<std::uint32_t> bounds_;
  std::unique_ptr<Counter[]> next_, done_;  // by stage and owner; by stage
  std::atomic<std::uint64_t> run_{0};       // number << 32 | extent
  std::uint32_t runs_ = 0;                  // so far
  std::atomic<bool> caller_sleeps_{false};
  FutexWord calls_{0};  // of the caller
};

}  // namespace backpass
