// Means over rows and elements.
#include "nn/loss_means.h"

#include <algorithm>
#include <sstream>

#include "base/error.h"
#include "graph/op.h"

namespace backpass {

void check_target(const char* who, const Shape& expected, const Tensor& target) {
  if (target.shape() != expected)
    fail(who, "target has shape ", to_string(target.shape()), ", expected ", to_string(expected));
}

namespace {

double most_weight(DType dtype) { return dtype == DType::float64 ? 1e290 : 1e30; }

}  // namespace

bool weight_fits(double weight, DType dtype) {
  const double most = most_weight(dtype);
  return weight == 0 || (weight >= 1 / most && weight <= most);
}

std::string out_of_range(DType dtype) {
  std::ostringstream text;
  text << "must be 0 or between " << 1 / most_weight(dtype) << " and " << most_weight(dtype) << " in " << name(dtype)
       << ", got ";
  return text.str();
}

// Weights are not negative, so only a sum of 0 is below the smallest normal number.
Tensor over_weights(const Tensor& per_row, const Tensor& weight) {
  return sum(per_row) / maximum(sum(weight), like(weight, least_normal(weight.dtype())));
}

Tensor over_rows(const Tensor& per_row, const Tensor& weight) {
  return weight ? over_weights(per_row * weight, weight) : mean(per_row);
}

Tensor over_elements(const Tensor& each, const Tensor& weight) {
  return weight ? over_rows(mean(each, all_but_rows(each)), weight) : mean(each);
}

Tensor expected(const Tensor& y, const Tensor& x) { return y * where_positive(x, y); }

Tensor of_positions(const Tensor& weight, const Shape& positions) {
  if (!weight || weight.shape() == positions) return weight;
  Shape each = positions;
  std::fill(each.begin() + 1, each.end(), 1);
  return broadcast_to(reshape(weight, each), positions);
}

Tensor counted(const Tensor& x, const Tensor& weight) {
  if (weight.shape().size() > 1) return where_positive(x, broadcast_to(expand_dims(weight, -1), x.shape()));
  Dim columns = 1;
  for (std::size_t i = 1; i < x.shape().size(); ++i) columns *= x.shape()[i];
  const Shape flat{kBatch, columns};
  const Tensor kept = broadcast_to(reshape(weight, {kBatch, 1}), flat);
  return reshape(where_positive(reshape(x, flat), kept), x.shape());
}

std::vector<Dim> all_but_rows(const Tensor& x) {
  std::vector<Dim> axes;
  for (std::size_t i = 1; i < x.shape().size(); ++i) axes.push_back(static_cast<Dim>(i));
  return axes;
}

}  // namespace backpass
