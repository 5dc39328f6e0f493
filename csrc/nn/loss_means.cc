// Means over rows and elements.
#include "nn/loss_means.h"

#include <limits>

#include "base/error.h"

namespace backpass {

void check_target(const char* who, const Shape& expected, const Tensor& target) {
  if (target.shape() != expected)
    fail(who, "target has shape ", to_string(target.shape()), ", expected ", to_string(expected));
}

// Weights are not negative, so only a sum of 0 is below the smallest normal number.
Tensor over_weights(const Tensor& per_row, const Tensor& weight) {
  const bool wide = weight.dtype() == DType::float64;
  const double least = wide ? std::numeric_limits<double>::min() : std::numeric_limits<float>::min();
  return sum(per_row) / maximum(sum(weight), like(weight, least));
}

Tensor over_rows(const Tensor& per_row, const Tensor& weight) {
  return weight ? over_weights(per_row * weight, weight) : mean(per_row);
}

Tensor over_elements(const Tensor& each, const Tensor& weight) {
  return weight ? over_rows(mean(each, all_but_rows(each)), weight) : mean(each);
}

std::vector<Dim> all_but_rows(const Tensor& x) {
  std::vector<Dim> axes;
  for (std::size_t i = 1; i < x.shape().size(); ++i) axes.push_back(static_cast<Dim>(i));
  return axes;
}

}  // namespace backpass
