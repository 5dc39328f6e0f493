// Layers that change the size of images and series without parameters: descriptions that layers.h lists.
#pragma once

#include "backpass/conv_layers.h"

namespace backpass {

// Images (batch, height, width, channels) or series (batch, time, channels), each pixel as scale_factor pixels along
// each axis: "nearest" repeats it, "linear" goes in a straight line from the middle of one to the middle of the next,
// and stays beyond the outermost (PyTorch's bilinear, with align_corners false; Keras' UpSampling2D).
struct Upsample {
  PerAxis scale_factor = {2};
  std::string mode = "nearest";

  std::string type() const { return "Upsample"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

// (batch, height, width, channels r^2) as (batch, height r, width r, channels): channel c r^2 + i r + j is pixel (i, j)
// of each block (Shi et al. 2016); and back.
struct PixelShuffle {
  Dim upscale_factor = 2;

  std::string type() const { return "PixelShuffle"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const Tensor& x) const;
};
struct PixelUnshuffle {
  Dim downscale_factor = 2;

  std::string type() const { return "PixelUnshuffle"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

// Zeros around images, or before and behind series: a number, one for each axis, or those before and behind each axis.
template <std::size_t axes>
struct ZeroPad {
  std::string padding = "1";

  std::string type() const { return axes == 2 ? "ZeroPad2d" : "ZeroPad1d"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const Tensor& x) const;
};
using ZeroPad1d = ZeroPad<1>;
using ZeroPad2d = ZeroPad<2>;

}  // namespace backpass
