// Pooling over images, channels last: (n, height, width, channels). A series is an image of height 1.
#pragma once

#include "backpass/convolution.h"

namespace backpass {

// Windows over both axes of an image. Padding is at most half the window, and is no part of a maximum.
struct Pooling {
  Dim height = 2, width = 2;  // of a window
  WindowAxis down = {.stride = 2}, across = {.stride = 2};
  bool ceil_mode = false;  // a last window may reach beyond the padding, if it begins before its end
};

// How many windows there are along an axis, as PyTorch counts them. Throws std::invalid_argument where there is none.
Dim pooled_size(Dim size, Dim window, const WindowAxis& axis, bool ceil_mode, const char* who = "max_pool2d");

// The greatest of each window and channel; of equal ones the first gets the gradient. nan where there is one.
Tensor max_pool2d(const Tensor& x, const Pooling& pooling = {});
// The mean of each window and channel. Zeros of the padding count as elements, unless `count_include_pad` is false;
// what ceil_mode adds beyond them never does. Windows are not dilated.
Tensor avg_pool2d(const Tensor& x, const Pooling& pooling = {}, bool count_include_pad = true);

// As many windows as asked for, i from floor(i size / count) to ceil((i + 1) size / count).
Tensor adaptive_max_pool2d(const Tensor& x, Dim height, Dim width);
Tensor adaptive_avg_pool2d(const Tensor& x, Dim height, Dim width);

}  // namespace backpass
