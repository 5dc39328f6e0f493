// A team lives on the stack of its caller.
#include "plan/workers/team.h"

#include <algorithm>

namespace backpass {
namespace {

thread_local Team* current = nullptr;

}  // namespace

Team::Team(Crew& crew, int threads) : crew_(crew), workers_(std::min(threads, crew.helpers() + 1)) { current = this; }

Team::~Team() {
  if (current != this) return;  // forgotten
  current = nullptr;
  crew_.release();
}

void Team::with(int threads, Body body) {
  Crew* const crew = threads > 1 && current == nullptr ? Crew::hire(threads) : nullptr;
  if (crew == nullptr) return body();
  const Team team(*crew, threads);
  body();
}

int Team::size() { return current != nullptr ? current->workers_ : 1; }

void Team::run(Job& job) {
  Team* const team = current;
  if (team == nullptr) return job.work(0);
  Job* const outer = team->crew_.offer(job);  // of a function of the host program that calls us
  job.work(0);
  if (current == team) team->crew_.put_back(outer);
}

void Team::forget() { current = nullptr; }

}  // namespace backpass
