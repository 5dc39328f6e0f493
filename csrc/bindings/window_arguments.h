// Settings of windows over images and series, as they are typed in Python.
#pragma once

#include <pybind11/stl.h>

#include <string>
#include <variant>
#include <vector>

#include "backpass/convolution.h"
#include "integer.h"

namespace backpass::python {

// A number for all axes, or one for each. An Integer takes anything: it comes last.
using Numbers = std::variant<std::vector<Integer>, Integer>;
// Also two for each axis, or what to make of the sizes.
using Padding = std::variant<std::string, std::vector<std::pair<Integer, Integer>>, std::vector<Integer>, Integer>;

// Of a function that is called `who`, over two axes or one. Throws ValueError and TypeError.
struct WindowArguments {
  const char* who;
  std::size_t axes;

  std::vector<Dim> numbers(const char* name, const Numbers& given) const;
  // The axes of an image of this size, heights first.
  std::vector<WindowAxis> windows(const std::vector<Dim>& sizes, const std::vector<Dim>& kernel, const Numbers& stride,
                                  const Padding& padding, const Numbers& dilation) const;

 private:
  WindowAxis padded(std::size_t at, WindowAxis axis, Dim size, Dim kernel, const Padding& padding) const;
};

// The axes of x but the first and the last; ValueError where there are not `axes` of them.
std::vector<Dim> inner_axes(const char* who, const Tensor& x, std::size_t axes, const char* what);

// A series (n, time, channels) as an image of height 1, and back.
Tensor as_image(const Tensor& x);
Tensor as_series(const Tensor& x);

}  // namespace backpass::python
