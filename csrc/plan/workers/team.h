// A team: a caller and the crew that it has hired.
#pragma once

#include "plan/workers/crew.h"

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

// Hiring costs a look at a list, so that every run of a plan may do so; fit keeps one team for all its steps.
class Team {
 public:
  // Runs body on this thread with a team of up to `threads` at hand. A team inside a team is the outer one.
  static void with(int threads, Body body);
  // The workers of this thread's team, this thread among them; 1 where it has none.
  static int size();
  // Runs a job with this thread's team.
  static void run(Job& job);
  // In the child of a fork, where this thread may be in the midst of a job, it has no team.
  static void forget();

  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

 private:
  Team(Crew& crew, int threads);

  Crew& crew_;
  int workers_;
};

}  // namespace backpass
