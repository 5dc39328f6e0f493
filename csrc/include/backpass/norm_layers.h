// Layers of normalization: descriptions that layers.h lists.
#pragma once

#include "backpass/fields.h"
#include "backpass/tensor.h"

namespace backpass {

class LayerContext;

// Batch normalization over all axes but the last (Ioffe and Szegedy 2015): (x - mean) / sqrt(variance + eps) * weight +
// bias. In training by the mean and the (biased) variance of the batch, which needs two values per channel; otherwise
// by the states running_mean and running_var, which each step moves by `momentum` towards the batch's mean and unbiased
// variance, as PyTorch defines them. 0 <= momentum <= 1, eps > 0.
struct BatchNorm {
  double momentum = 0.1;
  double eps = 1e-5;
  bool affine = true;  // weight and bias, (channels) each

  std::string type() const { return "BatchNorm"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

// (x - mean) / sqrt(variance + eps) * weight + bias over the last axis of each row (Ba et al. 2016).
struct LayerNorm {
  double eps = 1e-5;
  bool affine = true;  // weight and bias, (features) each
  bool bias = true;

  std::string type() const { return "LayerNorm"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

// (x - mean) / sqrt(variance + eps) * weight + bias, over each example's num_groups runs of channels and all that lies
// between batch and channels (Wu and He 2018). num_groups divides the channels.
struct GroupNorm {
  Dim num_groups = 0;
  double eps = 1e-5;
  bool affine = true;  // weight and bias, (channels) each

  std::string type() const { return "GroupNorm"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

// The same of each channel by itself (Ulyanov et al. 2016).
struct InstanceNorm {
  double eps = 1e-5;
  bool affine = false;

  std::string type() const { return "InstanceNorm"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

// x / sqrt(mean(x^2) + eps) * weight over the last axis of each row (Zhang and Sennrich 2019). eps 0: the distance from
// 1 to the next number of the type, as in PyTorch.
struct RMSNorm {
  double eps = 0;
  bool affine = true;

  std::string type() const { return "RMSNorm"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

}  // namespace backpass
