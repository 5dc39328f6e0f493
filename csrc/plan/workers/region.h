// The one OpenMP region.
#pragma once

#if defined(BACKPASS_PLAIN_THREADS)
#include <thread>
#include <vector>
#else
#include <omp.h>
#endif

namespace backpass {

// Runs f(0), ..., f(threads - 1) at once, each on a thread of its own, f(0) on this one; fewer where OpenMP gives
// fewer. BACKPASS_PLAIN_THREADS is for ThreadSanitizer, which does not see how libgomp synchronizes.
template <class F>
void open_region(int threads, F f) {
#if defined(BACKPASS_PLAIN_THREADS)
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back(f, i);
  f(0);
  for (std::thread& other : others) other.join();
#else
#pragma omp parallel num_threads(threads)
  f(omp_get_thread_num());
#endif
}

}  // namespace backpass
