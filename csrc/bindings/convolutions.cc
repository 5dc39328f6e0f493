// Functions of tensors: convolution over images and series.
#include <pybind11/stl.h>

#include "backpass/convolution.h"
#include "bindings.h"
#include "operand.h"
#include "window_arguments.h"

namespace backpass::python {
namespace {

Convolution settings_of(const char* who, const Tensor& x, const Tensor& weight, std::size_t axes, const Numbers& stride,
                        const Padding& padding, const Numbers& dilation, const Integer& groups) {
  const std::vector<WindowAxis> windows = WindowArguments{who, axes}.windows(
      inner_axes(who, x, axes, "x"), inner_axes(who, weight, axes, "weight"), stride, padding, dilation);
  return {axes == 2 ? windows[0] : WindowAxis{}, windows.back(), groups.as<Dim>(who, "groups")};
}

Tensor convolved_by(const char* who, std::size_t axes, const Tensor& x, const Tensor& weight, const Numbers& stride,
                    const Padding& padding, const Numbers& dilation, const Integer& groups) {
  const Convolution settings = settings_of(who, x, weight, axes, stride, padding, dilation, groups);
  return axes == 2 ? conv2d(x, weight, settings) : as_series(conv2d(as_image(x), as_image(weight), settings));
}

Tensor transposed_by(const char* who, std::size_t axes, const Tensor& x, const Tensor& weight, const Numbers& stride,
                     const Padding& padding, const Numbers& output_padding, const Numbers& dilation,
                     const Integer& groups) {
  const std::string* name = std::get_if<std::string>(&padding);
  if (name && *name != "valid")
    throw py::value_error("[" + std::string(who) +
                          "] padding must be numbers or \"valid\": the size of the result does not follow from it");
  const Convolution settings = settings_of(who, x, weight, axes, stride, padding, dilation, groups);
  const std::vector<Dim> extra = WindowArguments{who, axes}.numbers("output_padding", output_padding);
  const ExtraSize size{axes == 2 ? extra[0] : 0, extra.back()};
  return axes == 2 ? conv2d_transpose(x, weight, settings, size)
                   : as_series(conv2d_transpose(as_image(x), as_image(weight), settings, size));
}

template <std::size_t axes>
void bind_axes(py::module_& m, const char* name, const char* doc, const char* transposed_name,
               const char* transposed_doc) {
  m.def(
      name,
      [name](const Operand& x, const Operand& weight, const Numbers& stride, const Padding& padding,
             const Numbers& dilation, const Integer& groups) {
        const std::vector<Tensor> both = tensors_of(name, {x, weight});
        return convolved_by(name, axes, both[0], both[1], stride, padding, dilation, groups);
      },
      py::arg("x"), py::arg("weight"), py::arg("stride") = py::int_(1), py::arg("padding") = py::int_(0),
      py::arg("dilation") = py::int_(1), py::arg("groups") = py::int_(1), documented(name, doc).c_str());
  m.def(
      transposed_name,
      [transposed_name](const Operand& x, const Operand& weight, const Numbers& stride, const Padding& padding,
                        const Numbers& output_padding, const Numbers& dilation, const Integer& groups) {
        const std::vector<Tensor> both = tensors_of(transposed_name, {x, weight});
        return transposed_by(transposed_name, axes, both[0], both[1], stride, padding, output_padding, dilation,
                             groups);
      },
      py::arg("x"), py::arg("weight"), py::arg("stride") = py::int_(1), py::arg("padding") = py::int_(0),
      py::arg("output_padding") = py::int_(0), py::arg("dilation") = py::int_(1), py::arg("groups") = py::int_(1),
      documented(transposed_name, transposed_doc).c_str());
}

}  // namespace

void bind_convolutions(py::module_& m) {
  bind_axes<2>(
      m, "conv2d",
      "x (n, height, width, channels) with filters `weight` (out, kernel height, kernel width, channels / groups):\n"
      "(n, windows down, windows across, out). `stride`, `dilation` and `padding` are a number or a pair; `padding` "
      "may\n"
      "also be pairs ((top, bottom), (left, right)), \"valid\" (none), \"same\" (as many windows as elements, over "
      "the\n"
      "stride) or \"causal\" (all before). Filters are not turned round. Settings that do not fit are a ValueError.",
      "conv2d_transpose",
      "The gradient of `conv2d` to its images, as a function of its own: x (n, rows, cols, out) with the `weight` of\n"
      "that convolution, (out, kernel height, kernel width, channels / groups), gives (n, height, width, channels) of\n"
      "height (rows - 1) * stride + dilation * (kernel height - 1) + 1 - padding above and below + output_padding.");
  bind_axes<1>(
      m, "conv1d",
      "x (n, time, channels) with filters `weight` (out, kernel, channels / groups): (n, windows, out). `padding` is "
      "a\n"
      "number, a pair in a list [(before, after)], \"valid\", \"same\" or \"causal\"; the rest is as for `conv2d`.",
      "conv1d_transpose",
      "The gradient of `conv1d` to its series, as a function of its own: x (n, windows, out) gives (n, time, "
      "channels)\n"
      "of time (windows - 1) * stride + dilation * (kernel - 1) + 1 - padding on both sides + output_padding.");
}

}  // namespace backpass::python
