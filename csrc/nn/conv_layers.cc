// Layers that convolve.
#include "base/error.h"
#include "nn/activation.h"
#include "nn/window_settings.h"

namespace backpass {
namespace {

// A weight (first, kernel..., last) as filters over two axes.
Tensor filters_of(LayerContext& context, std::size_t axes, Dim first, const std::vector<Dim>& kernel, Dim last,
                  const Initializer& start) {
  const Shape shape = {first, kernel[0], kernel[1], last};
  if (axes == 1) return reshape(context.parameter("weight", {first, kernel[1], last}, start), shape);
  return context.parameter("weight", shape, start);
}

// Bias and activation.
Tensor finished(LayerContext& context, const WindowSettings& settings, const Tensor& y, bool bias,
                const Initializer& bias_init, const std::string& activation) {
  const ActivationFunction own = activation.empty() ? nullptr : find_activation(activation);
  if (!activation.empty() && !own)
    fail(settings.who, "unknown activation \"", activation, "\"; there are ", activation_names());
  Tensor z = settings.as_given(y);
  if (bias) z = z + context.parameter("bias", {y.shape()[3]}, bias_init);
  context.set_z(z);
  return own ? own(z) : z;
}

void check_divides(const std::string& who, const char* what, Dim count, Dim groups) {
  if (count % groups != 0) fail(who, "groups must divide ", what, ", ", count, ", got ", groups);
}

constexpr const char* kKernelSize = "how many elements windows have along each axis";
constexpr const char* kStride = "how far windows are from one to the next";
constexpr const char* kPadding = "zeros around: a name, or how many";
constexpr const char* kDilation = "how far the elements of a window are apart";
constexpr const char* kGroups = "how many runs of channels have filters of their own";
constexpr const char* kActivation = "what is applied to the output";
constexpr const char* kBias = "whether there is a bias";
constexpr const char* kWeightInit = "how the weights start";
constexpr const char* kBiasInit = "how the bias starts";

}  // namespace

template <std::size_t axes>
Fields Conv<axes>::fields() {
  return {{"filters", &filters, "how many channels the output has", kCount},
          {"kernel_size", &kernel_size, kKernelSize, kCount},
          {"stride", &stride, kStride, kCount},
          {"padding", &padding, kPadding},
          {"dilation", &dilation, kDilation, kCount},
          {"groups", &groups, kGroups, kCount},
          {"activation", &activation, kActivation},
          {"bias", &bias, kBias},
          {"weight_init", &weight_init, kWeightInit},
          {"bias_init", &bias_init, kBiasInit}};
}

template <std::size_t axes>
Tensor Conv<axes>::build(LayerContext& context, const Tensor& x) const {
  const WindowSettings settings{type(), axes};
  const Tensor images = settings.images(x);
  const Dim channels = images.shape()[3];
  check_divides(type(), "the channels of the input", channels, groups);
  check_divides(type(), "filters", filters, groups);
  const std::vector<Dim> kernel = settings.numbers("kernel_size", kernel_size);
  const Convolution windows = settings.windows(images.shape(), kernel, settings.numbers("stride", stride), padding,
                                               settings.numbers("dilation", dilation), groups);
  const Tensor weight = filters_of(context, settings.axes, filters, kernel, channels / groups, weight_init);
  return finished(context, settings, conv2d(images, weight, windows), bias, bias_init, activation);
}

template <std::size_t axes>
Fields ConvTranspose<axes>::fields() {
  return {
      {"filters", &filters, "how many channels the output has", kCount},
      {"kernel_size", &kernel_size, kKernelSize, kCount},
      {"stride", &stride, "how far windows over the output are from one to the next", kCount},
      {"padding", &padding, "how much of the output's border is left out"},
      {"output_padding", &output_padding, "rows and columns more that the output has, below the stride", kNotNegative},
      {"dilation", &dilation, kDilation, kCount},
      {"groups", &groups, kGroups, kCount},
      {"activation", &activation, kActivation},
      {"bias", &bias, kBias},
      {"weight_init", &weight_init, kWeightInit},
      {"bias_init", &bias_init, kBiasInit}};
}

template <std::size_t axes>
Tensor ConvTranspose<axes>::build(LayerContext& context, const Tensor& x) const {
  const WindowSettings settings{type(), axes};
  const Tensor images = settings.images(x);
  const Dim channels = images.shape()[3];
  check_divides(type(), "the channels of the input", channels, groups);
  check_divides(type(), "filters", filters, groups);
  if (padding == "same" || padding == "causal")
    fail(type(), "padding must be numbers or \"valid\": the size of the output does not follow from \"", padding, '"');
  const std::vector<Dim> kernel = settings.numbers("kernel_size", kernel_size);
  const Convolution windows = settings.windows(images.shape(), kernel, settings.numbers("stride", stride), padding,
                                               settings.numbers("dilation", dilation), groups);
  const std::vector<Dim> extra = settings.numbers("output_padding", output_padding);
  const Tensor weight = filters_of(context, settings.axes, channels, kernel, filters / groups, weight_init);
  const Tensor y = conv2d_transpose(images, weight, windows, {axes == 2 ? extra[0] : 0, extra[1]});
  return finished(context, settings, y, bias, bias_init, activation);
}

Fields DepthwiseConv2d::fields() {
  return {{"kernel_size", &kernel_size, kKernelSize, kCount},
          {"depth_multiplier", &depth_multiplier, "how many filters each channel has", kCount},
          {"stride", &stride, kStride, kCount},
          {"padding", &padding, kPadding},
          {"dilation", &dilation, kDilation, kCount},
          {"activation", &activation, kActivation},
          {"bias", &bias, kBias},
          {"weight_init", &weight_init, kWeightInit},
          {"bias_init", &bias_init, kBiasInit}};
}

Tensor DepthwiseConv2d::build(LayerContext& context, const Tensor& x) const {
  const WindowSettings settings{type(), 2};
  const Dim channels = settings.images(x).shape()[3], filters = channels * depth_multiplier;
  const std::vector<Dim> kernel = settings.numbers("kernel_size", kernel_size);
  const Convolution windows = settings.windows(x.shape(), kernel, settings.numbers("stride", stride), padding,
                                               settings.numbers("dilation", dilation), channels);
  const Tensor weight = filters_of(context, settings.axes, filters, kernel, 1, weight_init);
  return finished(context, settings, conv2d(x, weight, windows), bias, bias_init, activation);
}

template struct Conv<1>;
template struct Conv<2>;
template struct ConvTranspose<1>;
template struct ConvTranspose<2>;

}  // namespace backpass
