// What a compiled graph will run, call by call.
#pragma once

#include "backpass/types.h"

namespace backpass {

struct CallInfo {
  std::string name;    // "matmul", "softmax_cross_entropy", "column_sum", "adam", ...
  std::string phase;   // "forward", "loss", "backward" or "update"
  std::string detail;  // shapes, epilogue, path
  std::vector<std::string> reads, writes;
  int stage = 0;  // calls of one stage run side by side; the next begins when they are complete
  Dim tasks = 1;
  bool shared = false;          // by several threads
  bool in_lanes = false;        // its tasks are rows of the batch that walk on through the stage
  double flops = 0, bytes = 0;  // of one run
  double milliseconds = 0;      // median; 0 unless profiled
};

// A snapshot for people to read: printing it shows what a step does.
struct PlanInfo {
  std::vector<CallInfo> calls;
  Dim batch_size = 0;
  std::size_t arena_bytes = 0;
  std::string isa;
  int stages = 0;
  std::string to_string() const;
};

}  // namespace backpass
