// Functions of tensors: pooling over images and series.
#include "backpass/pooling.h"

#include <pybind11/stl.h>

#include "bindings.h"
#include "window_arguments.h"

namespace backpass::python {
namespace {

Pooling pooling_of(const WindowArguments& arguments, const Tensor& x, const Numbers& kernel_size,
                   const std::optional<Numbers>& stride, const Padding& padding, const Numbers& dilation,
                   bool ceil_mode) {
  const std::vector<Dim> kernel = arguments.numbers("kernel_size", kernel_size);
  const std::vector<WindowAxis> windows = arguments.windows(inner_axes(arguments.who, x, arguments.axes, "x"), kernel,
                                                            stride ? *stride : kernel_size, padding, dilation);
  const bool image = arguments.axes == 2;
  return {image ? kernel[0] : 1, kernel.back(), image ? windows[0] : WindowAxis{}, windows.back(), ceil_mode};
}

// Of images, or of a series as one.
template <class F>
Tensor over_images(std::size_t axes, const Tensor& x, F pool) {
  return axes == 2 ? pool(x) : as_series(pool(as_image(x)));
}

template <std::size_t axes>
void bind_pooling_over(py::module_& m, const char* max_name, const char* max_doc, const char* avg_name,
                       const char* avg_doc) {
  m.def(
      max_name,
      [max_name](const Tensor& x, const Numbers& kernel_size, const std::optional<Numbers>& stride,
                 const Padding& padding, const Numbers& dilation, bool ceil_mode) {
        const Pooling p = pooling_of({max_name, axes}, x, kernel_size, stride, padding, dilation, ceil_mode);
        return over_images(axes, x, [&](const Tensor& images) { return max_pool2d(images, p); });
      },
      py::arg("x"), py::arg("kernel_size"), py::arg("stride") = py::none(), py::arg("padding") = py::int_(0),
      py::arg("dilation") = py::int_(1), py::arg("ceil_mode") = false, documented(max_name, max_doc).c_str());
  m.def(
      avg_name,
      [avg_name](const Tensor& x, const Numbers& kernel_size, const std::optional<Numbers>& stride,
                 const Padding& padding, bool ceil_mode, bool count_include_pad) {
        const Pooling p =
            pooling_of({avg_name, axes}, x, kernel_size, stride, padding, Integer{py::int_(1)}, ceil_mode);
        return over_images(axes, x, [&](const Tensor& images) { return avg_pool2d(images, p, count_include_pad); });
      },
      py::arg("x"), py::arg("kernel_size"), py::arg("stride") = py::none(), py::arg("padding") = py::int_(0),
      py::arg("ceil_mode") = false, py::arg("count_include_pad") = true, documented(avg_name, avg_doc).c_str());
}

template <std::size_t axes>
void bind_adaptive(py::module_& m, const char* name, Tensor (*pool)(const Tensor&, Dim, Dim), const char* doc) {
  m.def(
      name,
      [name, pool](const Tensor& x, const Numbers& output_size) {
        inner_axes(name, x, axes, "x");
        const std::vector<Dim> size = WindowArguments{name, axes}.numbers("output_size", output_size);
        return over_images(axes, x,
                           [&](const Tensor& images) { return pool(images, axes == 2 ? size[0] : 1, size.back()); });
      },
      py::arg("x"), py::arg("output_size"), documented(name, doc).c_str());
}

}  // namespace

void bind_pooling(py::module_& m) {
  bind_pooling_over<2>(
      m, "max_pool2d",
      "The greatest of each window and channel of x (n, height, width, channels). `kernel_size`, `stride` (that of "
      "the\n"
      "windows, unless it is given), `padding` and `dilation` are a number or a pair; `padding` may be as of "
      "`conv2d`,\n"
      "at most half the window, and is no part of a maximum. With `ceil_mode` a last window may reach beyond the\n"
      "padding. Of equal elements the first gets the gradient; nan where there is one.",
      "avg_pool2d",
      "The mean of each window and channel of x (n, height, width, channels). Settings are those of `max_pool2d`; "
      "zeros\n"
      "of the padding count as elements unless `count_include_pad` is False.");
  bind_pooling_over<1>(m, "max_pool1d", "As `max_pool2d`, of series (n, time, channels).", "avg_pool1d",
                       "As `avg_pool2d`, of series (n, time, channels).");
  bind_adaptive<2>(
      m, "adaptive_max_pool2d", &adaptive_max_pool2d,
      "The greatest of as many windows as `output_size` says, a number or a pair: window i of n begins at\n"
      "floor(i * size / n) and ends at ceil((i + 1) * size / n).");
  bind_adaptive<2>(m, "adaptive_avg_pool2d", &adaptive_avg_pool2d,
                   "The mean of as many windows as `output_size` says; windows are those of `adaptive_max_pool2d`.");
  bind_adaptive<1>(m, "adaptive_max_pool1d", &adaptive_max_pool2d,
                   "As `adaptive_max_pool2d`, of series (n, time, channels).");
  bind_adaptive<1>(m, "adaptive_avg_pool1d", &adaptive_avg_pool2d,
                   "As `adaptive_avg_pool2d`, of series (n, time, channels).");
}

}  // namespace backpass::python
