// Default threads, the sharing cut, and forks.
#include "plan/workers/sharing.h"

#include <omp.h>
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>

#include "backpass/machine.h"
#include "base/error.h"
#include "plan/workers/supply.h"
#include "plan/workers/team.h"

namespace backpass {
namespace {

// Handing a stage to a second worker has to save more than its tasks wander between caches: of a step of 8-64-64-4 on
// 64 rows (stages below 10 microseconds) one worker took 34 microseconds, two took 28 to 73 on two virtual cores.
constexpr double kShareFrom = 12000;  // nanoseconds of one worker
// Of that step, too, two workers made 72 microseconds of 49, though one of its stages was long enough.
constexpr double kSharePlanFrom = 60000;

std::atomic<bool> sharing_cut{true};
std::atomic<int> chosen_threads{0};

// A forked child has none of our threads; it makes its own.
const int fork_handler = pthread_atfork(nullptr, nullptr, [] {
  Team::forget();
  Crew::forget_all();
});

// CPUs that the control group grants (cgroup v2, then v1); 0 where there is no limit.
double group_quota() {
  std::string quota;
  double period = 0;
  if (std::ifstream file("/sys/fs/cgroup/cpu.max"); file >> quota >> period && quota != "max" && period > 0)
    return std::strtod(quota.c_str(), nullptr) / period;
  double v1_quota = -1;
  std::ifstream quota_file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), period_file("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  if (quota_file >> v1_quota && period_file >> period && v1_quota > 0 && period > 0) return v1_quota / period;
  return 0;
}

int capped(int threads) {
  const int most = most_threads();
  if (threads > most) note_shortage(threads, most);
  return std::min(threads, most);
}

int default_threads() {
  int threads = usable_cpus();
  if (const double quota = group_quota(); quota > 0)
    threads = std::min(threads, std::max(1, static_cast<int>(std::ceil(quota))));
  if (const char* limit = std::getenv("OMP_NUM_THREADS"))
    if (const int n = std::atoi(limit); n > 0) threads = std::min(threads, n);
  return threads;
}

}  // namespace

bool pays_to_share(double nanoseconds) { return !sharing_cut_is_on() || nanoseconds > kShareFrom; }

bool pays_to_share_plan(double nanoseconds) { return !sharing_cut_is_on() || nanoseconds > kSharePlanFrom; }

int usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

int resolve_threads(int threads) { return threads > 0 ? capped(threads) : get_threads(); }

int get_threads() {
  const int chosen = chosen_threads.load(std::memory_order_relaxed);
  static const int by_default = std::min(default_threads(), most_threads());
  // omp_get_max_threads is what threadpoolctl and omp_set_num_threads change.
  return chosen > 0 ? chosen : std::min(by_default, std::max(1, omp_get_max_threads()));
}

void set_threads(int threads) {
  if (threads < 1) fail("set_threads", "threads must be at least 1, got ", threads);
  chosen_threads.store(capped(threads), std::memory_order_relaxed);
}

bool sharing_cut_is_on() { return sharing_cut.load(std::memory_order_relaxed); }

void set_sharing_cut(bool on) { sharing_cut.store(on, std::memory_order_relaxed); }

CpuInfo cpu_info() {
  CpuInfo info;
  info.logical_cpus = usable_cpus();
  info.cpu_quota = group_quota();
  info.features = available_isas();
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.rfind("model name", 0) == 0 && line.find(": ") != std::string::npos) {
      info.brand = line.substr(line.find(": ") + 2);
      break;
    }
  return info;
}

}  // namespace backpass
