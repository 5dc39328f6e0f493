#include "window_arguments.h"

namespace backpass::python {
namespace {

[[noreturn]] void refuse_argument(const char* who, const char* what, const std::string& text) {
  throw py::value_error("[" + std::string(who) + "] " + what + text);
}

}  // namespace

std::vector<Dim> WindowArguments::numbers(const char* name, const Numbers& given) const {
  if (const auto* one = std::get_if<Integer>(&given)) return std::vector<Dim>(axes, one->as<Dim>(who, name));
  std::vector<Dim> result;
  for (const Integer& value : std::get<std::vector<Integer>>(given)) result.push_back(value.as<Dim>(who, name));
  if (result.size() != axes)
    refuse_argument(who, name,
                    " takes one number, or " + std::to_string(axes) + ", got " + std::to_string(result.size()));
  return result;
}

std::vector<WindowAxis> WindowArguments::windows(const std::vector<Dim>& sizes, const std::vector<Dim>& kernel,
                                                 const Numbers& stride, const Padding& padding,
                                                 const Numbers& dilation) const {
  const std::vector<Dim> strides = numbers("stride", stride), dilations = numbers("dilation", dilation);
  std::vector<WindowAxis> result;
  for (std::size_t i = 0; i < axes; ++i)
    result.push_back(padded(i, {strides[i], dilations[i], 0, 0}, sizes[i], kernel[i], padding));
  return result;
}

WindowAxis WindowArguments::padded(std::size_t at, WindowAxis axis, Dim size, Dim kernel,
                                   const Padding& padding) const {
  if (const auto* name = std::get_if<std::string>(&padding)) {
    if (*name == "valid") return axis;
    if (*name == "same") return same_windows(size, kernel, axis);
    if (*name == "causal") return causal_windows(kernel, axis);
    refuse_argument(who, "padding", " must be \"valid\", \"same\", \"causal\" or numbers, got \"" + *name + "\"");
  }
  if (const auto* pairs = std::get_if<std::vector<std::pair<Integer, Integer>>>(&padding)) {
    if (pairs->size() != axes)
      refuse_argument(who, "padding",
                      " takes " + std::to_string(axes) + " pairs, got " + std::to_string(pairs->size()));
    axis.before = (*pairs)[at].first.as<Dim>(who, "padding");
    axis.after = (*pairs)[at].second.as<Dim>(who, "padding");
    return axis;
  }
  const auto* several = std::get_if<std::vector<Integer>>(&padding);
  axis.before = axis.after = numbers("padding", several ? Numbers(*several) : Numbers(std::get<Integer>(padding)))[at];
  return axis;
}

std::vector<Dim> inner_axes(const char* who, const Tensor& x, std::size_t axes, const char* what) {
  if (x.shape().size() != axes + 2)
    refuse_argument(who, what, " has " + std::to_string(axes + 2) + " dimensions, got " + to_string(x.shape()));
  return std::vector<Dim>(x.shape().begin() + 1, x.shape().end() - 1);
}

Tensor as_image(const Tensor& x) {
  Shape shape = x.shape();
  shape.insert(shape.begin() + 1, 1);
  return reshape(x, shape);
}

Tensor as_series(const Tensor& x) {
  Shape shape = x.shape();
  shape.erase(shape.begin() + 1, shape.begin() + 2);
  return reshape(x, shape);
}

}  // namespace backpass::python
