// Opening a region, handing out jobs.
#include "plan/team.h"

#include <omp.h>

#include <algorithm>
#include <exception>

#include "plan/spin.h"

namespace backpass {
namespace {

thread_local Team* current = nullptr;

// After so many turns of waiting (some 50 microseconds) a worker sleeps.
constexpr int kTurnsAwake = kSpins + 100;

}  // namespace

void Team::with(int threads, Body body) {
  if (threads <= 1 || current != nullptr) return body();
  Team team;
  std::exception_ptr error;
#pragma omp parallel num_threads(threads)
  {
    if (omp_get_thread_num() == 0) {
      team.workers_ = omp_get_num_threads();
      current = &team;
      try {
        body();
      } catch (...) {
        error = std::current_exception();  // no exception leaves the region
      }
      current = nullptr;
      team.over_.store(true);
      team.post(nullptr);
    } else {
      team.serve(omp_get_thread_num());
    }
  }
  if (error) std::rethrow_exception(error);
}

int Team::size_for(int threads) { return current != nullptr ? current->workers_ : std::max(1, threads); }

bool Team::is_open() { return current != nullptr; }

void Team::run(int threads, Job& job) {
  auto share = [&] {
    if (current != nullptr)
      current->share(job);
    else
      job.work(0, 1);
  };
  with(threads, share);
}

void Team::let_go() {
  if (current == nullptr) return;
  current->job_.store(nullptr);
  for (int turn = 0; current->inside_.load() != 0; ++turn) wait_a_turn(turn);
}

void Team::forget() { current = nullptr; }

void Team::post(Job* job) {
  job_.store(job);
  generation_.fetch_add(1);
  generation_.notify_all();
}

void Team::share(Job& job) {
  post(&job);
  job.work(0, workers_);
}

void Team::serve(int worker) {
  unsigned seen = 0;
  while (!over_.load()) {
    for (int turn = 0; generation_.load() == seen; ++turn) {
      if (turn < kTurnsAwake)
        wait_a_turn(turn);
      else
        generation_.wait(seen);
    }
    seen = generation_.load();
    inside_.fetch_add(1);  // first seen inside, then reading the job: let_go stores and looks in the other order
    if (Job* job = job_.load()) job->work(worker, workers_);
    inside_.fetch_sub(1);
  }
}

}  // namespace backpass
