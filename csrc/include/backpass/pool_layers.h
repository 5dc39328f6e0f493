// Layers of pooling: descriptions that layers.h lists.
#pragma once

#include "backpass/conv_layers.h"
#include "backpass/pooling.h"

namespace backpass {

// max_pool2d (or of series (batch, time, channels)). stride 0: as far as the window is large.
template <std::size_t axes>
struct MaxPool {
  PerAxis kernel_size = {2};
  PerAxis stride = {0};
  std::string padding = "valid";  // as of Conv
  PerAxis dilation = {1};
  bool ceil_mode = false;

  std::string type() const { return axes == 2 ? "MaxPool2d" : "MaxPool1d"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const Tensor& x) const;
};
using MaxPool1d = MaxPool<1>;
using MaxPool2d = MaxPool<2>;

// avg_pool2d, likewise.
template <std::size_t axes>
struct AvgPool {
  PerAxis kernel_size = {2};
  PerAxis stride = {0};
  std::string padding = "valid";
  bool ceil_mode = false;
  bool count_include_pad = true;

  std::string type() const { return axes == 2 ? "AvgPool2d" : "AvgPool1d"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const Tensor& x) const;
};
using AvgPool1d = AvgPool<1>;
using AvgPool2d = AvgPool<2>;

// As many windows as `output_size` says: the greatest of each, or the mean.
template <std::size_t axes>
struct AdaptiveMaxPool {
  PerAxis output_size = {1};

  std::string type() const { return axes == 2 ? "AdaptiveMaxPool2d" : "AdaptiveMaxPool1d"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const Tensor& x) const;
};
using AdaptiveMaxPool1d = AdaptiveMaxPool<1>;
using AdaptiveMaxPool2d = AdaptiveMaxPool<2>;

template <std::size_t axes>
struct AdaptiveAvgPool {
  PerAxis output_size = {1};

  std::string type() const { return axes == 2 ? "AdaptiveAvgPool2d" : "AdaptiveAvgPool1d"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const Tensor& x) const;
};
using AdaptiveAvgPool1d = AdaptiveAvgPool<1>;
using AdaptiveAvgPool2d = AdaptiveAvgPool<2>;

// The mean, or the greatest, over all axes between the batch and the channels: (batch, channels).
struct GlobalAvgPool {
  std::string type() const { return "GlobalAvgPool"; }
  Attributes attributes() const { return {}; }
  Tensor build(LayerContext& context, const Tensor& x) const;
};
struct GlobalMaxPool {
  std::string type() const { return "GlobalMaxPool"; }
  Attributes attributes() const { return {}; }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

}  // namespace backpass
