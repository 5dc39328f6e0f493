#include "nn/window_settings.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"

namespace backpass {

std::vector<Dim> WindowSettings::numbers(const char* name, const PerAxis& given) const {
  if (given.size() != 1 && given.size() != axes)
    fail(who, name, " takes one number, or ", axes, ", got ", given.size());
  std::vector<Dim> result(2, 1);
  for (std::size_t i = 0; i < axes; ++i) result[2 - axes + i] = given.size() == 1 ? given[0] : given[i];
  return result;
}

std::vector<Dim> WindowSettings::sides(const std::string& text) const {
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
    result[4 - 2 * axes + i] = given[count == 1 ? 0 : count == axes ? i / 2 : i];
  return result;
}

Convolution WindowSettings::windows(const Shape& x, const std::vector<Dim>& kernel, const std::vector<Dim>& stride,
                                    const std::string& padding, const std::vector<Dim>& dilation, Dim groups) const {
  const bool named = padding == "valid" || padding == "same" || padding == "causal";
  const std::vector<Dim> zeros = named ? std::vector<Dim>(4, 0) : sides(padding);
  WindowAxis windows[2];
  for (std::size_t i = 0; i < 2; ++i) {
    windows[i] = {stride[i], dilation[i], zeros[2 * i], zeros[2 * i + 1]};
    if (padding == "same") windows[i] = same_windows(x[i + 1], kernel[i], windows[i]);
    if (padding == "causal") windows[i] = causal_windows(kernel[i], windows[i]);
  }
  return {windows[0], windows[1], groups};
}

Tensor WindowSettings::images(const Tensor& x) const {
  if (x.shape().size() != axes + 2)
    fail(who, "needs an input of shape ", axes == 2 ? "(batch, height, width, channels)" : "(batch, time, channels)",
         ", got ", to_string(x.shape()));
  return axes == 2 ? x : reshape(x, {x.shape()[0], 1, x.shape()[1], x.shape()[2]});
}

Tensor WindowSettings::as_given(const Tensor& y) const {
  return axes == 2 ? y : reshape(y, {y.shape()[0], y.shape()[2], y.shape()[3]});
}

}  // namespace backpass
