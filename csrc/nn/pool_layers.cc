// Layers of pooling.
#include "backpass/pool_layers.h"

#include <numeric>

#include "base/error.h"
#include "nn/window_settings.h"

namespace backpass {
namespace {

constexpr const char* kPoolSize = "how many elements windows have along each axis";
constexpr const char* kPoolStride = "how far windows are from one to the next; 0: as far as they are large";
constexpr const char* kPoolPadding = "what stands around: a name, or how much";
constexpr const char* kCeilMode = "whether a last window may reach beyond the padding";
constexpr const char* kOutputSize = "how many windows there are along each axis";

Pooling pooling_of(const WindowSettings& settings, const Tensor& images, const PerAxis& kernel_size,
                   const PerAxis& stride, const std::string& padding, const PerAxis& dilation, bool ceil_mode) {
  const std::vector<Dim> kernel = settings.numbers("kernel_size", kernel_size);
  std::vector<Dim> strides = settings.numbers("stride", stride);
  for (std::size_t i = 0; i < 2; ++i)
    if (strides[i] == 0) strides[i] = kernel[i];
  const Convolution windows =
      settings.windows(images.shape(), kernel, strides, padding, settings.numbers("dilation", dilation));
  return {kernel[0], kernel[1], windows.height, windows.width, ceil_mode};
}

Tensor adaptive(const WindowSettings& settings, const Tensor& x, const PerAxis& output_size,
                Tensor (*pool)(const Tensor&, Dim, Dim)) {
  const std::vector<Dim> size = settings.numbers("output_size", output_size);
  return settings.as_given(pool(settings.images(x), size[0], size[1]));
}

std::vector<Dim> axes_between(const char* who, const Tensor& x) {
  if (x.shape().size() < 3) fail(who, "needs an input of shape (batch, ..., channels), got ", to_string(x.shape()));
  std::vector<Dim> axes(x.shape().size() - 2);
  std::iota(axes.begin(), axes.end(), Dim{1});
  return axes;
}

}  // namespace

template <std::size_t axes>
Fields MaxPool<axes>::fields() {
  return {{"kernel_size", &kernel_size, kPoolSize, kCount},
          {"stride", &stride, kPoolStride, kNotNegative},
          {"padding", &padding, kPoolPadding},
          {"dilation", &dilation, "how far the elements of a window are apart", kCount},
          {"ceil_mode", &ceil_mode, kCeilMode}};
}

template <std::size_t axes>
Tensor MaxPool<axes>::build(LayerContext&, const Tensor& x) const {
  const WindowSettings settings{type(), axes};
  const Tensor images = settings.images(x);
  return settings.as_given(
      max_pool2d(images, pooling_of(settings, images, kernel_size, stride, padding, dilation, ceil_mode)));
}

template <std::size_t axes>
Fields AvgPool<axes>::fields() {
  return {{"kernel_size", &kernel_size, kPoolSize, kCount},
          {"stride", &stride, kPoolStride, kNotNegative},
          {"padding", &padding, kPoolPadding},
          {"ceil_mode", &ceil_mode, kCeilMode},
          {"count_include_pad", &count_include_pad, "whether zeros of the padding count as elements"}};
}

template <std::size_t axes>
Tensor AvgPool<axes>::build(LayerContext&, const Tensor& x) const {
  const WindowSettings settings{type(), axes};
  const Tensor images = settings.images(x);
  const Pooling pooling = pooling_of(settings, images, kernel_size, stride, padding, {1}, ceil_mode);
  return settings.as_given(avg_pool2d(images, pooling, count_include_pad));
}

template <std::size_t axes>
Fields AdaptiveMaxPool<axes>::fields() {
  return {{"output_size", &output_size, kOutputSize, kCount}};
}

template <std::size_t axes>
Tensor AdaptiveMaxPool<axes>::build(LayerContext&, const Tensor& x) const {
  return adaptive({type(), axes}, x, output_size, &adaptive_max_pool2d);
}

template <std::size_t axes>
Fields AdaptiveAvgPool<axes>::fields() {
  return {{"output_size", &output_size, kOutputSize, kCount}};
}

template <std::size_t axes>
Tensor AdaptiveAvgPool<axes>::build(LayerContext&, const Tensor& x) const {
  return adaptive({type(), axes}, x, output_size, &adaptive_avg_pool2d);
}

Tensor GlobalAvgPool::build(LayerContext&, const Tensor& x) const { return mean(x, axes_between("GlobalAvgPool", x)); }

Tensor GlobalMaxPool::build(LayerContext&, const Tensor& x) const { return max(x, axes_between("GlobalMaxPool", x)); }

template struct MaxPool<1>;
template struct MaxPool<2>;
template struct AvgPool<1>;
template struct AvgPool<2>;
template struct AdaptiveMaxPool<1>;
template struct AdaptiveMaxPool<2>;
template struct AdaptiveAvgPool<1>;
template struct AdaptiveAvgPool<2>;

}  // namespace backpass
