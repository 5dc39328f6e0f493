// A team of workers: the one OpenMP region.
#pragma once

#include <atomic>

namespace backpass {

// A reference to something callable: no allocation, no ownership.
template <class... Args>
class Action {
 public:
  template <class F>
  Action(F& f) : object_(&f), call_([](void* object, Args... args) { (*static_cast<F*>(object))(args...); }) {}  // NOLINT
  void operator()(Args... args) const { call_(object_, args...); }

 private:
  void* object_;
  void (*call_)(void*, Args...);
};

// Workers wait for jobs of the thread that opened the region: they spin for a moment, then yield, then sleep. libgomp's
// own waiting spins for milliseconds, which on a busy machine takes the core from whom it waits for; so fit opens one
// region for all its steps.
class Team {
 public:
  using Body = Action<>;
  using Job = Action<int, int>;  // (worker, workers)

  // Runs body on this thread with a team of up to `threads` at hand; what body throws passes on. A team inside a team is
  // the outer one.
  static void with(int threads, Body body);
  // How many workers a job that asks for `threads` will have at most.
  static int size_for(int threads);
  // Runs the job on every worker of this thread's team, or of a team made for it.
  static void run(int threads, Job job);
  // In the child of a fork there are no workers.
  static void forget();

 private:
  void share(Job job);
  void serve(int worker);
  void post(const Job* job);

  int workers_ = 1;
  alignas(64) std::atomic<unsigned> generation_{0};
  const Job* job_ = nullptr;  // null: leave
  alignas(64) std::atomic<int> done_{0};
};

}  // namespace backpass
