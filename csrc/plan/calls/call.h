// Call: one kernel call of a plan, cut into tasks by shape.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <vector>

#include "backpass/plan.h"
#include "kernels/table.h"

namespace backpass {

// Where the rows of one gathered input come from: an ArrayView in plain terms.
struct RowSource {
  const std::byte* data = nullptr;
  ElementType type = ElementType::float32;
  std::ptrdiff_t row_stride = 0;  // bytes
};

// What a walk knows; the same for every call.
struct Context {
  std::byte* const* address;  // by value
  const RowSource* sources;   // by gathered input
  const std::int64_t* rows;   // which rows of the sources; null: 0, 1, 2, ...
  std::uint64_t seed, step;   // of random numbers
  const kernels::UpdateSettings* settings;
  std::atomic<bool>* extraordinary;  // set by who finds a gradient that is: see ordinary.h
};

enum class Phase : unsigned char { forward, loss, backward, update };

class Call {
 public:
  virtual ~Call() = default;
  // Task in [0, tasks). scratch: scratch_bytes of this worker's own, 64-byte aligned.
  virtual void run(const Context& context, Dim task, std::byte* scratch) const noexcept = 0;
  virtual bool failed() const noexcept { return false; }
  // Of what `keeps`, asked once, before anything of the kind is written: whether all that this would write is finite.
  virtual bool stays_finite(const Context&, std::byte*) const noexcept { return true; }
  // What went wrong in a run, if anything could; asked for, once, when the run is over.
  virtual std::exception_ptr take_error() { return nullptr; }
  // Once, after the last task: adds what the tasks left in slots of their own, in the order of tasks.
  virtual void finish(const Context&) const noexcept {}
  // Whether a lane of this call touches its own rows only of a value.
  bool keeps_to_rows_of(int value) const {
    return in_lanes && std::find(by_rows.begin(), by_rows.end(), value) != by_rows.end();
  }

  std::string name, detail;
  Phase phase = Phase::forward;
  std::vector<int> reads, writes;  // values
  std::vector<int> over;           // of what it reads, values that what it writes may lie over: it is their last reader
  std::vector<int> by_rows;        // of both, those of which a lane touches its own rows only
  Dim tasks = 1;
  bool finishes = false;
  bool in_lanes = false;  // its tasks are the plan's lanes
  bool alone = false;     // in a stage of its own, run by the thread that runs the plan
  bool may_fail = false;  // failed() and take_error() mean something
  bool waits = false;     // for every call before it
  bool keeps = false;     // what it writes outlives the run: stays_finite() means something
  bool again = false;     // made again for the backward pass, behind every call before it
  bool late = false;      // one stage before the call that follows, not earlier
  std::size_t scratch_bytes = 0;
  double flops = 0, bytes = 0;
  double cost = 0;  // nanoseconds of one worker, estimated
  int stage = 0;
};

// Measured on AVX2 at 3.5 GHz; only their ratios decide what is shared between workers.
inline constexpr double kFlopsPerNanosecond = 60;
inline constexpr double kBytesPerNanosecond = 15;
inline constexpr double kNanosecondsPerCall = 30;

inline Dim ceil_div(Dim a, Dim b) { return (a + b - 1) / b; }

}  // namespace backpass
