// Normalization layers.
#include <algorithm>
#include <limits>

#include "backpass/layers.h"
#include "base/error.h"
#include "graph/op.h"
#include "nn/norms.h"

namespace backpass {
namespace {

void check(const char* who, const Tensor& x) {
  if (x.shape().size() < 2) fail(who, "needs an input of shape (batch, ..., features), got ", to_string(x.shape()));
}

constexpr const char* kEps = "keeps the division finite";

// One per channel, so that elements are multiplied and not divided. A variance that overflows makes it nan and ends the
// step: 1 / inf would make all of them 0 without a word.
Tensor inverse_root(const Tensor& variance, double eps) {
  return 1.0 / sqrt(variance + stop_gradient(variance - variance) + std::max(eps, least_normal(variance.dtype())));
}

// One per row, beside each of its elements.
Tensor along_last(const Tensor& per_row, const Shape& shape) {
  Shape kept = shape;
  kept.back() = 1;
  return broadcast_to(reshape(per_row, kept), shape);
}

Tensor unit_rms(const Tensor& x, double eps) { return x * along_last(inverse_rms(x, eps), x.shape()); }

Shape channels(const Tensor& x) { return {x.shape().back()}; }

Tensor scaled(LayerContext& context, const Tensor& x) { return x * context.parameter("weight", channels(x), "ones"); }

Tensor shifted(LayerContext& context, const Tensor& x) { return x + context.parameter("bias", channels(x), "zeros"); }

Tensor by_groups(LayerContext& context, const std::string& who, const Tensor& x, Dim groups, double eps, bool affine) {
  check(who.c_str(), x);
  const Shape& shape = x.shape();
  if (shape.back() % groups != 0) fail(who, "num_groups must divide the channels, ", shape.back(), ", got ", groups);
  Dim places = 1;
  for (std::size_t i = 1; i + 1 < shape.size(); ++i) places *= shape[i];
  const Tensor grouped = reshape(x, {shape[0], places, groups, shape.back() / groups});
  const std::vector<Dim> axes{1, 3};
  const Tensor centred = grouped - mean(grouped, axes, true);
  const Tensor y = reshape(centred * inverse_root(mean(square(centred), axes, true), eps), shape);
  return affine ? shifted(context, scaled(context, y)) : y;
}

}  // namespace

Tensor normalized(const Tensor& x, double eps) { return unit_rms(center(x), eps); }

Fields BatchNorm::fields() {
  return {{"momentum", &momentum, "how far a step moves the running values", kPart},
          {"eps", &eps, kEps, kPositive},
          {"affine", &affine, "whether there are weight and bias"}};
}

Tensor BatchNorm::build(LayerContext& context, const Tensor& x) const {
  check("BatchNorm", x);
  std::vector<Dim> axes;
  for (std::size_t i = 0; i + 1 < x.shape().size(); ++i) axes.push_back(static_cast<Dim>(i));
  const Tensor running_mean = context.state("running_mean", channels(x), "zeros");
  const Tensor running_var = context.state("running_var", channels(x), "ones");
  const Tensor n = count(x, axes, 2, "BatchNorm");
  const Tensor batch_mean = mean(x, axes), batch_var = mean(square(x - batch_mean), axes);
  const Tensor factor = inverse_root(by_mode(batch_var, running_var), eps);
  Tensor y = (x - by_mode(batch_mean, running_mean)) * factor;
  if (affine) y = shifted(context, scaled(context, y));
  y = track(y, running_mean, batch_mean, momentum);
  return track(y, running_var, batch_var * (n / (n - 1.0)), momentum);
}

Fields LayerNorm::fields() {
  return {{"eps", &eps, kEps, kPositive},
          {"affine", &affine, "whether there are weight and bias (features)"},
          {"bias", &bias, "whether there is a bias"}};
}

Tensor LayerNorm::build(LayerContext& context, const Tensor& x) const {
  check("LayerNorm", x);
  const Tensor y = normalized(x, eps);
  if (!affine) return y;
  return bias ? shifted(context, scaled(context, y)) : scaled(context, y);
}

Fields GroupNorm::fields() {
  return {{"num_groups", &num_groups, "how many runs of channels there are", kCount},
          {"eps", &eps, kEps, kPositive},
          {"affine", &affine, "whether there are weight and bias (channels)"}};
}

Tensor GroupNorm::build(LayerContext& context, const Tensor& x) const {
  return by_groups(context, type(), x, num_groups, eps, affine);
}

Fields InstanceNorm::fields() {
  return {{"eps", &eps, kEps, kPositive}, {"affine", &affine, "whether there are weight and bias (channels)"}};
}

Tensor InstanceNorm::build(LayerContext& context, const Tensor& x) const {
  if (x.shape().size() < 3) fail(type(), "needs an input of shape (batch, ..., channels), got ", to_string(x.shape()));
  return by_groups(context, type(), x, std::max<Dim>(x.shape().back(), 1), eps, affine);
}

Fields RMSNorm::fields() {
  return {{"eps", &eps, kEps, kNotNegative}, {"affine", &affine, "whether there is a weight (features)"}};
}

Tensor RMSNorm::build(LayerContext& context, const Tensor& x) const {
  check("RMSNorm", x);
  const double own = x.dtype() == DType::float64 ? std::numeric_limits<double>::epsilon()
                                                 : static_cast<double>(std::numeric_limits<float>::epsilon());
  const Tensor y = unit_rms(x, eps > 0 ? eps : own);
  return affine ? scaled(context, y) : y;
}

}  // namespace backpass
