// Loops on all threads for a while.
#include "bench/limits.h"

#include <algorithm>
#include <barrier>
#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

#include "base/aligned.h"
#include "base/error.h"
#include "bench/loops.h"

namespace backpass::bench {
namespace {

constexpr std::int64_t kRounds = 4096;  // some ten microseconds

void check(double seconds, int threads, const char* who) {
  if (!(seconds > 0 && seconds < 60)) fail(who, "seconds must be between 0 and 60, got ", seconds);
  if (threads < 1 || threads > 4096) fail(who, "threads must be between 1 and 4096, got ", threads);
}

// How often all threads together call their work in a second; make() gives each thread a work of its own.
template <class Make>
double calls_per_second(int threads, double seconds, const Make& make) {
  std::barrier<> start(threads);
  std::vector<double> rates(static_cast<std::size_t>(threads));
  const auto serve = [&](std::size_t thread) {
    auto work = make();
    work();  // touches its memory
    start.arrive_and_wait();
    const auto begin = std::chrono::steady_clock::now();
    double elapsed = 0, calls = 0;
    for (; elapsed < seconds; ++calls) {
      work();
      elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    }
    rates[thread] = calls / elapsed;
  };
  std::vector<std::jthread> others;
  for (std::size_t thread = 1; thread < rates.size(); ++thread) others.emplace_back(serve, thread);
  serve(0);
  others.clear();  // joins them
  return std::accumulate(rates.begin(), rates.end(), 0.0);
}

template <class T>
double fma_peak_of(double seconds, int threads) {
  const Loops<T> used = loops<T>();
  const auto make = [&used] {
    return [&used] {
      volatile T sink = used.chains(T{0.5}, kRounds);
      static_cast<void>(sink);
    };
  };
  return 2.0 * kRounds * kChains * used.lanes * calls_per_second(threads, seconds, make);
}

// Of three arrays of one thread: two are read, one is written.
struct Triad {
  explicit Triad(std::int64_t bytes) : n(std::max<std::int64_t>(bytes / 12 / 64 * 64, 64)) {
    for (AlignedBuffer& array : arrays) array = AlignedBuffer(static_cast<std::size_t>(n) * sizeof(float));
  }
  void operator()() {
    for (std::int64_t done = 0; done < kRounds; done += n) {
      used.triad(at(0), at(1), at(2), n);
      std::swap(arrays[0], arrays[1]);
    }
  }
  double bytes_of_a_call() const { return 12.0 * static_cast<double>((kRounds + n - 1) / n * n); }
  float* at(int i) const { return reinterpret_cast<float*>(arrays[i].data()); }

  Loops<float> used = loops<float>();
  std::int64_t n;
  AlignedBuffer arrays[3];
};

}  // namespace

double fma_peak(DType dtype, double seconds, int threads) {
  check(seconds, threads, "fma_peak");
  return dtype == DType::float64 ? fma_peak_of<double>(seconds, threads) : fma_peak_of<float>(seconds, threads);
}

double triad_bandwidth(std::int64_t bytes, double seconds, int threads) {
  check(seconds, threads, "triad_bandwidth");
  const auto make = [bytes] { return Triad(bytes); };
  return make().bytes_of_a_call() * calls_per_second(threads, seconds, make);
}

}  // namespace backpass::bench
