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
      team.post(nullptr);
    } else {
      team.serve(omp_get_thread_num());
    }
  }
  if (error) std::rethrow_exception(error);
}

int Team::size_for(int threads) { return current != nullptr ? current->workers_ : std::max(1, threads); }

void Team::run(int threads, Job job) {
  auto share = [&] {
    if (current != nullptr) current->share(job);
    else job(0, 1);
  };
  with(threads, share);
}

void Team::forget() { current = nullptr; }

void Team::post(const Job* job) {
  job_ = job;
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
}

void Team::share(Job job) {
  done_.store(0, std::memory_order_relaxed);
  post(&job);
  job(0, workers_);
  for (int turn = 0; done_.load(std::memory_order_acquire) != workers_ - 1; ++turn) wait_a_turn(turn);
}

void Team::serve(int worker) {
  for (unsigned seen = 0;; ++seen) {
    for (int turn = 0; generation_.load(std::memory_order_acquire) == seen; ++turn) {
      if (turn < kTurnsAwake) wait_a_turn(turn);
      else generation_.wait(seen, std::memory_order_acquire);
    }
    if (job_ == nullptr) return;
    (*job_)(worker, workers_);
    done_.fetch_add(1, std::memory_order_release);
  }
}

}  // namespace backpass
