// A team of workers: the one OpenMP region.
#pragma once

#include <atomic>

namespace backpass {

// A reference to something callable: no allocation, no ownership.
class Body {
 public:
  template <class F>
  Body(F& f) : object_(&f), call_([](void* object) { (*static_cast<F*>(object))(); }) {}  // NOLINT
  void operator()() const { call_(object_); }

 private:
  void* object_;
  void (*call_)(void*);
};

// Work that is done when worker 0 returns from it; the others help as long as there is something to take.
class Job {
 public:
  virtual ~Job() = default;
  virtual void work(int worker, int workers) noexcept = 0;
};

// Workers wait for the jobs of the thread that opened the region: they spin for a moment, then yield, then sleep.
// libgomp's own waiting spins for milliseconds, which on a busy machine takes the core from whom it waits for; so fit
// opens one region for all its steps, and nobody waits for a worker that has taken nothing.
class Team {
 public:
  // Runs body on this thread with a team of up to `threads` at hand; what body throws passes on. A team inside a team
  // is the outer one.
  static void with(int threads, Body body);
  // How many workers a job that asks for `threads` will have at most.
  static int size_for(int threads);
  static bool is_open();  // on this thread
  // Runs a job with this thread's team, or with one made for it.
  static void run(int threads, Job& job);
  // Returns when no worker of this thread's team is inside a job any more: before a job is destroyed.
  static void let_go();
  // In the child of a fork there are no workers.
  static void forget();

 private:
  void share(Job& job);
  void serve(int worker);
  void post(Job* job);

  int workers_ = 1;
  alignas(64) std::atomic<int> inside_{0};  // workers in a job
  std::atomic<bool> over_{false};
  alignas(64) std::atomic<unsigned> generation_{0};
  std::atomic<Job*> job_{nullptr};
};

}  // namespace backpass
