// Layers that convolve: descriptions that layers.h lists.
#pragma once

#include "backpass/convolution.h"
#include "backpass/fields.h"

namespace backpass {

class LayerContext;
using PerAxis = std::vector<std::int64_t>;  // a number for each axis, or one for all

// conv2d (or conv1d, of series (batch, time, channels)) plus a bias, then the activation. x (batch, height, width,
// channels), weight (filters, kernel height, kernel width, channels / groups), bias (filters). Throws
// std::invalid_argument where settings do not fit each other or the input.
template <std::size_t axes>
struct Conv {
  Dim filters = 0;  // channels of the output
  PerAxis kernel_size = {3};
  PerAxis stride = {1};
  std::string padding = "valid";  // none; "same", "causal", or zeros on the sides: "1", "1, 2" or "1, 1, 2, 2"
  PerAxis dilation = {1};
  Dim groups = 1;
  std::string activation = "";  // one of activations(), or ""
  bool bias = true;
  Initializer weight_init = "";  // as of Dense
  Initializer bias_init = "zeros";

  std::string type() const { return axes == 2 ? "Conv2d" : "Conv1d"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const Tensor& x) const;
};
using Conv1d = Conv<1>;
using Conv2d = Conv<2>;

// conv2d_transpose, likewise: weight (channels of x, kernel height, kernel width, filters / groups). padding: numbers
// or "valid".
template <std::size_t axes>
struct ConvTranspose {
  Dim filters = 0;
  PerAxis kernel_size = {3};
  PerAxis stride = {1};
  std::string padding = "valid";
  PerAxis output_padding = {0};
  PerAxis dilation = {1};
  Dim groups = 1;
  std::string activation = "";
  bool bias = true;
  Initializer weight_init = "";
  Initializer bias_init = "zeros";

  std::string type() const { return axes == 2 ? "ConvTranspose2d" : "ConvTranspose1d"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const Tensor& x) const;
};
using ConvTranspose1d = ConvTranspose<1>;
using ConvTranspose2d = ConvTranspose<2>;

// A Conv2d with as many groups as channels: `depth_multiplier` filters (kernel height, kernel width) for each.
struct DepthwiseConv2d {
  PerAxis kernel_size = {3};
  Dim depth_multiplier = 1;
  PerAxis stride = {1};
  std::string padding = "valid";
  PerAxis dilation = {1};
  std::string activation = "";
  bool bias = true;
  Initializer weight_init = "";
  Initializer bias_init = "zeros";

  std::string type() const { return "DepthwiseConv2d"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

}  // namespace backpass
