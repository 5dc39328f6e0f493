// Layers that convolve.
#include "backpass/conv_layers.h"

#include <charconv>

#include "base/error.h"
#include "nn/activation.h"

namespace backpass {
namespace {

// Settings of one layer, spread over two axes; a series has the second alone.
struct Spread {
  std::string who;
  std::size_t axes;

  std::vector<Dim> numbers(const char* name, const PerAxis& given) const {
    if (given.size() != 1 && given.size() != axes)
      fail(who, name, " takes one number, or ", axes, ", got ", given.size());
    std::vector<Dim> result(2, 1);
    for (std::size_t i = 0; i < axes; ++i) result[2 - axes + i] = given.size() == 1 ? given[0] : given[i];
    return result;
  }

  // "1", "1, 2", or "1, 1, 2, 2": before and behind each axis.
  std::vector<Dim> sides(const std::string& text) const {
    std::vector<Dim> given;
    for (const char *at = text.data(), *end = at + text.size(); at != end;) {
      const auto [stop, error] = std::from_chars(at, end, given.emplace_back());
      if (error != std::errc())
        fail(who, "padding must be \"valid\", \"same\", \"causal\" or numbers, got \"", text, '"');
      at = std::find_if(stop, end, [](char c) { return c != ',' && c != ' '; });
    }
    const std::size_t count = given.size();
    if (count != 1 && count != axes && count != 2 * axes)
      fail(who, "padding takes one number, or ", axes, ", or ", 2 * axes, ", got ", count);
    std::vector<Dim> result(4, 0);
    for (std::size_t i = 0; i < 2 * axes; ++i)
      result[4 - 2 * axes + i] = given[count == 1 ? 0 : count == axes && axes > 1 ? i / 2 : i % count];
    return result;
  }

  // For images (batch, height, width, channels) and a kernel of two axes.
  Convolution windows(const Shape& x, const std::vector<Dim>& kernel, const PerAxis& stride, const std::string& padding,
                      const PerAxis& dilation, Dim groups) const {
    const std::vector<Dim> strides = numbers("stride", stride), dilations = numbers("dilation", dilation);
    const bool named = padding == "valid" || padding == "same" || padding == "causal";
    const std::vector<Dim> zeros = named ? std::vector<Dim>(4, 0) : sides(padding);
    WindowAxis windows[2];
    for (std::size_t i = 0; i < 2; ++i) {
      windows[i] = {strides[i], dilations[i], zeros[2 * i], zeros[2 * i + 1]};
      if (padding == "same") windows[i] = same_windows(x[i + 1], kernel[i], windows[i]);
      if (padding == "causal") windows[i] = causal_windows(kernel[i], windows[i]);
    }
    return {windows[0], windows[1], groups};
  }

  // The input as images; a series has the height 1.
  Tensor images(const Tensor& x) const {
    if (x.shape().size() != axes + 2)
      fail(who, "needs an input of shape ", axes == 2 ? "(batch, height, width, channels)" : "(batch, time, channels)",
           ", got ", to_string(x.shape()));
    return axes == 2 ? x : reshape(x, {x.shape()[0], 1, x.shape()[1], x.shape()[2]});
  }

  Tensor as_given(const Tensor& y) const {
    return axes == 2 ? y : reshape(y, {y.shape()[0], y.shape()[2], y.shape()[3]});
  }

  // A weight (first, kernel..., last) as filters over two axes.
  Tensor filters(LayerContext& context, Dim first, const std::vector<Dim>& kernel, Dim last,
                 const Initializer& start) const {
    Shape shape = {first, kernel[0], kernel[1], last};
    if (axes == 1) return reshape(context.parameter("weight", {first, kernel[1], last}, start), shape);
    return context.parameter("weight", shape, start);
  }

  Tensor finished(LayerContext& context, const Tensor& y, Dim filters, bool bias, const Initializer& bias_init,
                  const std::string& activation) const {
    const ActivationFunction own = activation.empty() ? nullptr : find_activation(activation);
    if (!activation.empty() && !own)
      fail(who, "unknown activation \"", activation, "\"; there are ", activation_names());
    Tensor z = as_given(y);
    if (bias) z = z + context.parameter("bias", {filters}, bias_init);
    context.set_z(z);
    return own ? own(z) : z;
  }
};

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
  const Spread spread{type(), axes};
  const Tensor images = spread.images(x);
  const Dim channels = images.shape()[3];
  check_divides(type(), "the channels of the input", channels, groups);
  check_divides(type(), "filters", filters, groups);
  const std::vector<Dim> kernel = spread.numbers("kernel_size", kernel_size);
  const Convolution windows = spread.windows(images.shape(), kernel, stride, padding, dilation, groups);
  const Tensor weight = spread.filters(context, filters, kernel, channels / groups, weight_init);
  return spread.finished(context, conv2d(images, weight, windows), filters, bias, bias_init, activation);
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
  const Spread spread{type(), axes};
  const Tensor images = spread.images(x);
  const Dim channels = images.shape()[3];
  check_divides(type(), "the channels of the input", channels, groups);
  check_divides(type(), "filters", filters, groups);
  if (padding == "same" || padding == "causal")
    fail(type(), "padding must be numbers or \"valid\": the size of the output does not follow from \"", padding, '"');
  const std::vector<Dim> kernel = spread.numbers("kernel_size", kernel_size);
  const Convolution windows = spread.windows(images.shape(), kernel, stride, padding, dilation, groups);
  const std::vector<Dim> extra = spread.numbers("output_padding", output_padding);
  const Tensor weight = spread.filters(context, channels, kernel, filters / groups, weight_init);
  const Tensor y = conv2d_transpose(images, weight, windows, {axes == 2 ? extra[0] : 0, extra[1]});
  return spread.finished(context, y, filters, bias, bias_init, activation);
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
  const Spread spread{type(), 2};
  const Dim channels = spread.images(x).shape()[3], filters = channels * depth_multiplier;
  const std::vector<Dim> kernel = spread.numbers("kernel_size", kernel_size);
  const Convolution windows = spread.windows(x.shape(), kernel, stride, padding, dilation, channels);
  const Tensor weight = spread.filters(context, filters, kernel, 1, weight_init);
  return spread.finished(context, conv2d(x, weight, windows), filters, bias, bias_init, activation);
}

template struct Conv<1>;
template struct Conv<2>;
template struct ConvTranspose<1>;
template struct ConvTranspose<2>;

}  // namespace backpass
