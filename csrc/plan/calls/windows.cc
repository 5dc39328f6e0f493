#include "plan/calls/windows.h"

#include <algorithm>

namespace backpass {
namespace {

Dim floor_div(Dim a, Dim b) { return a / b - (a % b < 0); }

}  // namespace

AxisWindows::Reach AxisWindows::reach(Dim begin, Dim end) const {
  const Dim far = (kernel - 1) * axis.dilation;
  if (!transposed) return {begin * axis.stride - axis.before, (end - 1 - begin) * axis.stride + far + 1};
  const Dim first = floor_div(begin + axis.before - far, axis.stride);
  return {first, floor_div(end - 1 + axis.before, axis.stride) - first + 1};
}

AxisWindows::Line AxisWindows::line(Dim part, Dim begin, Dim end) const {
  if (!transposed) return {end - begin, begin, 0};
  // The first from `begin` on with (first + before) % stride == part.
  const Dim first = begin + (part + axis.stride - (begin + axis.before) % axis.stride) % axis.stride;
  const Dim count = std::max<Dim>(0, (end - first + axis.stride - 1) / axis.stride);
  return {count, first, (first + axis.before - part) / axis.stride - reach(begin, end).first};
}

std::vector<AxisWindows::Tap> AxisWindows::taps(Dim part) const {
  std::vector<Tap> result;
  for (Dim k = 0; k < kernel; ++k) {
    const Dim far = k * axis.dilation;
    if (!transposed)
      result.push_back({k, far});
    else if (far % axis.stride == part)
      result.push_back({k, (part - far) / axis.stride});
  }
  return result;
}

}  // namespace backpass
