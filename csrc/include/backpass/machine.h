// The machine: instruction sets and threads.
#pragma once

#include <string>
#include <vector>

namespace backpass {

const char* version();

std::string isa();                          // the one in use: "scalar", "neon", "avx2", "avx512" or "amx"
std::vector<std::string> available_isas();  // slowest first
void set_isa(const std::string& name);      // plans compiled from now on; throws std::invalid_argument

// Why products of precision "high" and "medium" are computed as "highest" with it; empty where they need not be.
std::string reduced_precision_gap();

struct CpuInfo {
  std::string brand;
  std::vector<std::string> features;  // those that the kernels can use
  int logical_cpus = 1;               // that this process may run on (affinity)
  double cpu_quota = 0;               // of its control group, in CPUs; 0 where there is none
};
CpuInfo cpu_info();

// The default number of threads of a call: the smaller of affinity and control-group quota, capped by OMP_NUM_THREADS
// and by what threadpoolctl sets (omp_get_max_threads).
int get_threads();
void set_threads(int threads);  // throws std::invalid_argument below 1

// A call that had fewer threads than it asked for: it was beyond the cap (four for each CPU that the process may use,
// 16 at least), or the system gave no more (ulimit -u, ulimit -v).
struct ThreadShortage {
  int asked = 0, had = 0;
};
// `tell` is called at the first one of the process, by the thread of the call, which goes on with what it has. It must
// not throw. Null: nobody is told.
void on_thread_shortage(void (*tell)(ThreadShortage));

// Whether calls too small to share are run by one thread (the default). Tests switch it off: bits do not change.
void set_sharing_cut(bool on);

}  // namespace backpass
