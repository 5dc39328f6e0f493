// Layers: a few lines each that compose ops.
#include "backpass/layers.h"

#include "base/error.h"
#include "nn/activation.h"

namespace backpass {

Fields Dense::fields() {
  return {{"units", &units, "how many outputs each row has", kCount},
          {"activation", &activation, "what is applied to the output"},
          {"bias", &bias, "whether there is a bias b"},
          {"weight_init", &weight_init, "how the weights start"},
          {"bias_init", &bias_init, "how b starts"}};
}

Tensor Dense::build(LayerContext& context, const Tensor& x) const {
  if (x.shape().size() < 2) fail("Dense", "needs an input of shape (batch, ..., features), got ", to_string(x.shape()));
  const ActivationFunction own = activation.empty() ? nullptr : find_activation(activation);
  if (!activation.empty() && !own)
    fail("Dense", "unknown activation \"", activation, "\"; there are ", activation_names());
  const Tensor weight = context.parameter("weight", {units, x.shape().back()}, weight_init);
  Tensor z = matmul(x, weight, false, true);
  if (bias) z = z + context.parameter("bias", {units}, bias_init);
  context.set_z(z);
  return own ? own(z) : z;
}

Fields Dropout::fields() { return {{"rate", &rate, "how likely each element is dropped", kBelowOne}}; }

Tensor Dropout::build(LayerContext&, const Tensor& x) const { return dropout(x, rate); }

Fields AlphaDropout::fields() { return {{"rate", &rate, "how likely each element is dropped", kBelowOne}}; }

Tensor AlphaDropout::build(LayerContext&, const Tensor& x) const { return alpha_dropout(x, rate); }

Fields GaussianNoise::fields() { return {{"deviation", &deviation, "the noise's standard deviation", kNotNegative}}; }

Tensor GaussianNoise::build(LayerContext&, const Tensor& x) const { return gaussian_noise(x, deviation); }

Fields Residual::fields() { return {{"layers", &layers, "what f is, one after the other"}}; }

Tensor Residual::build(LayerContext&, const Tensor& x) const {
  if (layers.empty()) fail("Residual", "needs at least one layer");
  Tensor y = x;
  for (const Layer& layer : layers) y = layer(y);
  if (y.shape() != x.shape())
    fail("Residual", "its layers turn ", to_string(x.shape()), " into ", to_string(y.shape()),
         ": they must keep the shape");
  return x + y;
}

}  // namespace backpass
