// Layers that change the size of images and series.
#include <cmath>

#include "backpass/layers.h"
#include "base/error.h"
#include "nn/window_settings.h"

namespace backpass {
namespace {

void check_images(const char* who, const Tensor& x) {
  if (x.shape().size() != 4 || x.dtype() == DType::int32)
    fail(who, "needs a real input of shape (batch, height, width, channels), got ", to_string(x.shape()));
}

// Each element `times` over, in straight lines between the middles.
Tensor between_middles(const Tensor& x, Dim axis, Dim times) {
  const Dim size = x.shape()[static_cast<std::size_t>(axis)];
  const Tensor before = concat({slice(x, axis, 0, 1), slice(x, axis, 0, size - 1)}, axis);
  const Tensor behind = concat({slice(x, axis, 1, size), slice(x, axis, size - 1, size)}, axis);
  std::vector<Tensor> phases;
  for (Dim i = 0; i < times; ++i) {
    const double at = (static_cast<double>(i) + 0.5) / static_cast<double>(times) - 0.5;
    const Tensor own = x * (1 - std::abs(at));
    phases.push_back(at == 0 ? x : own + (at < 0 ? before : behind) * std::abs(at));
  }
  Shape shape = x.shape();
  shape[static_cast<std::size_t>(axis)] = size * times;
  return reshape(stack(phases, axis + 1), shape);
}

}  // namespace

Fields Upsample::fields() {
  return {{"scale_factor", &scale_factor, "how many pixels each becomes along each axis", kCount},
          {"mode", &mode, "what lies between pixels", {"nearest", "linear"}}};
}

Tensor Upsample::build(LayerContext&, const Tensor& x) const {
  const std::size_t rank = x.shape().size();
  if (rank != 3 && rank != 4)
    fail(type(), "needs an input of shape (batch, height, width, channels) or (batch, time, channels), got ",
         to_string(x.shape()));
  const std::size_t axes = rank - 2;
  const std::vector<Dim> factors = WindowSettings{type(), axes}.numbers("scale_factor", scale_factor);
  Tensor y = x;
  for (std::size_t i = 0; i < axes; ++i) {
    const Dim axis = static_cast<Dim>(i) + 1, times = factors[2 - axes + i];
    if (times > 1 && y.shape()[i + 1] > 0)
      y = mode == "nearest" ? repeat(y, times, axis) : between_middles(y, axis, times);
  }
  return y;
}

Fields PixelShuffle::fields() {
  return {{"upscale_factor", &upscale_factor, "how many pixels each becomes along each axis", kCount}};
}

Tensor PixelShuffle::build(LayerContext&, const Tensor& x) const {
  check_images("PixelShuffle", x);
  const Shape& s = x.shape();
  const Dim r = upscale_factor, channels = s[3] / (r * r);
  if (s[3] % (r * r) != 0)
    fail(type(), "the square of upscale_factor must divide the channels, ", s[3], ", got ", upscale_factor);
  const Tensor blocks = transpose(reshape(x, {s[0], s[1], s[2], channels, r, r}), {0, 1, 4, 2, 5, 3});
  return reshape(blocks, {s[0], s[1] * r, s[2] * r, channels});
}

Fields PixelUnshuffle::fields() {
  return {{"downscale_factor", &downscale_factor, "how many pixels become one along each axis", kCount}};
}

Tensor PixelUnshuffle::build(LayerContext&, const Tensor& x) const {
  check_images("PixelUnshuffle", x);
  const Shape& s = x.shape();
  const Dim r = downscale_factor;
  if (s[1] % r != 0 || s[2] % r != 0)
    fail(type(), "downscale_factor must divide height and width, ", s[1], " and ", s[2], ", got ", downscale_factor);
  const Tensor blocks = transpose(reshape(x, {s[0], s[1] / r, r, s[2] / r, r, s[3]}), {0, 1, 3, 5, 2, 4});
  return reshape(blocks, {s[0], s[1] / r, s[2] / r, s[3] * r * r});
}

template <std::size_t axes>
Fields ZeroPad<axes>::fields() {
  return {{"padding", &padding, "how many zeros stand around"}};
}

template <std::size_t axes>
Tensor ZeroPad<axes>::build(LayerContext&, const Tensor& x) const {
  const WindowSettings settings{type(), axes};
  const Tensor images = settings.images(x);
  const std::vector<Dim> around = settings.sides(padding);
  for (const Dim zeros : around)
    if (zeros < 0) fail(type(), "padding must not be negative, got ", padding);
  return settings.as_given(pad(images, {{around[0], around[1]}, {around[2], around[3]}, {0, 0}}));
}

template struct ZeroPad<1>;
template struct ZeroPad<2>;

}  // namespace backpass
