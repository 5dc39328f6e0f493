// Which elements of one image a convolution reads for which of the other, along one axis.
#pragma once

#include <vector>

#include "backpass/convolution.h"

namespace backpass {

// From `in` elements to `out`. Forward: out[i] reads in[i stride - before + k dilation] for every tap k. Transposed,
// the other way round: out[i] reads in[j] where j stride - before + k dilation = i.
struct AxisWindows {
  Dim in = 0, out = 0, kernel = 1;
  WindowAxis axis;
  bool transposed = false;

  // Elements of `in`, which may lie outside of it, that those of `out` within [begin, end) read.
  struct Reach {
    Dim first, count;
  };
  Reach reach(Dim begin, Dim end) const;

  // Elements of `out` that the same taps reach: out_step() apart, and what they read is in_step() apart.
  Dim parts() const { return transposed ? axis.stride : 1; }
  Dim out_step() const { return parts(); }
  Dim in_step() const { return transposed ? 1 : axis.stride; }
  // Of part `part` within [begin, end): how many, the first, and what tap 0 would read of it, from the first element of
  // reach(begin, end) on.
  struct Line {
    Dim count, first, from;
  };
  Line line(Dim part, Dim begin, Dim end) const;

  // The taps of a part, and how far from Line::from each reads.
  struct Tap {
    Dim index, offset;
  };
  std::vector<Tap> taps(Dim part) const;
};

}  // namespace backpass
