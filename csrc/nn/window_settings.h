// Settings of layers that look at windows, spread over two axes; a series has the second alone.
#pragma once

#include "backpass/conv_layers.h"

namespace backpass {

struct WindowSettings {
  std::string who;
  std::size_t axes;

  std::vector<Dim> numbers(const char* name, const PerAxis& given) const;
  // For images (batch, height, width, channels) and a kernel of two axes.
  Convolution windows(const Shape& x, const std::vector<Dim>& kernel, const std::vector<Dim>& stride,
                      const std::string& padding, const std::vector<Dim>& dilation, Dim groups = 1) const;
  // The input as images, where a series has the height 1; and back.
  Tensor images(const Tensor& x) const;
  Tensor as_given(const Tensor& y) const;
  // Before and behind each of two axes, from what a setting says: "1", "1, 2", or "1, 1, 2, 2".
  std::vector<Dim> sides(const std::string& text) const;
};

}  // namespace backpass
