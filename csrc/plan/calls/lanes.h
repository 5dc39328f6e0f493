// Lanes: ranges of rows of the batch that walk through consecutive calls on their own.
#pragma once

#include <algorithm>

#include "plan/calls/call.h"

namespace backpass {

struct Tile {
  Dim row, rows, col, cols;
};

// Calls that are cut into lanes, by shape alone, share a stage where a lane needs of the others' results no rows but
// its own: a worker takes its rows from the input through the forward and the backward pass while they are in its
// cache, and nobody waits in between. What a lane sums over its rows is added to that of the others afterwards.
struct Lanes {
  Dim rows = 0, count = 1;  // of the batch; one lane is none

  explicit operator bool() const { return count > 1; }
  Dim begin(Dim lane) const { return rows * lane / count; }
  Dim rows_of(Dim lane) const { return begin(lane + 1) - begin(lane); }
  Dim most_rows() const { return ceil_div(rows, count); }
  Tile tile(Dim lane, Dim cols) const { return {begin(lane), rows_of(lane), 0, cols}; }
};

// No product sums more rows in float32: the error does not grow with the rows of a batch.
inline constexpr Dim kMostRowsOfLane = 4096;

// For a step of training on so many rows; products with large weights stay out (lane_cut). At least 64 rows to a lane,
// and 256 where there are many (measured: docs/performance.md). Fewer than four lanes share work badly.
inline Lanes choose_lanes(Dim rows) {
  const Dim count =
      std::max({std::min<Dim>(rows / 64, 16), std::min<Dim>(rows / 256, 64), ceil_div(rows, kMostRowsOfLane)});
  return count >= 4 ? Lanes{rows, count} : Lanes{};
}

}  // namespace backpass
