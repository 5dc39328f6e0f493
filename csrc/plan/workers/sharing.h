// Threads: how many, and when sharing pays.
#pragma once

namespace backpass {

// Whether a stage of so many nanoseconds is worth sharing with a second worker. Always, where the cut is off.
bool pays_to_share(double nanoseconds);
// Whether a plan of so many nanoseconds is worth waking a second worker. Always, where the cut is off.
bool pays_to_share_plan(double nanoseconds);
bool sharing_cut_is_on();
// `threads` where positive, else the default; at most most_threads().
int resolve_threads(int threads);
// CPUs that this process may run on.
int usable_cpus();

}  // namespace backpass
