// How convolutions are cut: strips of an image, windows over what they read, and the parts of which each meets the same
// taps. A function of shapes alone.
#pragma once

#include "kernels/table.h"
#include "plan/calls/calls.h"

namespace backpass {

// Lines of one image.
struct Strip {
  Dim image, begin, end;
};

// The elements of one operand's image around a strip, copied line after line with the zeros of the padding; or, where
// nothing is padded, as they lie.
struct WindowLayout {
  AxisWindows::Reach cols = {0, 0};
  Dim channels = 0;      // of a pixel in a window
  Dim pixel = 0;         // from one to the next
  Dim all_channels = 0;  // of a pixel in the image
  Dim pitch() const { return cols.count * pixel; }
};

struct ConvCut {
  Dim lines = 1;   // of a strip
  Dim strips = 0;  // of an image
  Dim all_strips = 0;
  Dim tasks = 1;
  WindowLayout window;
  Dim window_elements = 0;

  Strip strip(Dim index, Dim height) const {
    const Dim begin = index % strips * lines;
    return {index / strips, begin, std::min(begin + lines, height)};
  }
  Dim first_strip(Dim task) const { return task * all_strips / tasks; }
};

// For results of `height` lines of `line` elements, read through windows over images of `channels`; by columns where
// an element after the other is read of the same channel.
template <class T>
ConvCut cut_convolution(const ConvSpec& spec, Dim channels, Dim line, bool by_columns);

// Results that the same taps reach: what they read, in which order, and where the filters' elements are packed.
struct ConvPart {
  Dim down, across;  // the part of each axis
  std::vector<kernels::Run> runs;
  Dim k = 0;
  Dim packed = 0;  // within those of a group
};
template <class T>
std::vector<ConvPart> conv_parts(const kernels::Kernels<T>& k, const ConvSpec& spec, const WindowLayout& window);

double conv_flops(const ConvSpec& spec);

// The window around lines [begin, end), copied to `scratch` unless it can be read where it lies; `channel` is its
// first.
template <class T>
const T* window_around(const ConvSpec& spec, const WindowLayout& window, const T* image, const Strip& strip,
                       Dim channel, T* scratch) noexcept;

}  // namespace backpass
