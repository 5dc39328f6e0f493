// Convolution over images, channels last: (n, height, width, channels). A series is an image of height 1.
#pragma once

#include "backpass/graph.h"

namespace backpass {

// Windows along one axis: how far each is from the next, how far apart its elements are, and how many zeros stand
// before and behind what they move over.
struct WindowAxis {
  Dim stride = 1, dilation = 1, before = 0, after = 0;
  bool operator==(const WindowAxis&) const = default;
};

struct Convolution {
  WindowAxis height = {}, width = {};
  Dim groups = 1;  // channels are cut in so many runs, each of which has filters of its own
  bool operator==(const Convolution&) const = default;
};

// How many windows of `kernel` elements there are over `size` elements:
// (size + before + after - dilation (kernel - 1) - 1) / stride + 1, rounded down.
// Throws std::invalid_argument where there is none, or a number of `axis` is out of range.
Dim windows_over(Dim size, Dim kernel, const WindowAxis& axis, const char* who = "conv2d");

// The same windows with zeros around so that there are ceil(size / stride) of them, one more behind where they are odd;
// and with all of them before, so that no window looks ahead.
WindowAxis same_windows(Dim size, Dim kernel, WindowAxis axis);
WindowAxis causal_windows(Dim kernel, WindowAxis axis);

// y[n, i, j, o] = sum over k, l, c of x[n, i s - before + k d, j s - before + l d, c] weight[o, k, l, c]:
// x (n, height, width, channels), weight (out, kernel height, kernel width, channels / groups),
// y (n, windows down, windows across, out). Filters are not turned round, as everywhere in the field.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Convolution& settings = {});

// The gradient of conv2d to x for a gradient y, as a function of its own (a "transposed convolution"):
// y (n, rows, cols, out), weight as of conv2d; gives (n, height, width, channels) with
// height = (rows - 1) stride + dilation (kernel - 1) + 1 - before - after + extra, and extra below stride.
struct ExtraSize {
  Dim height = 0, width = 0;
};
Tensor conv2d_transpose(const Tensor& y, const Tensor& weight, const Convolution& settings = {}, ExtraSize extra = {});

}  // namespace backpass
