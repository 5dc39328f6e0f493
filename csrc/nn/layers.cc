// Layers: a few lines each that compose ops.
#include "backpass/layers.h"

#include <cmath>

#include "base/error.h"
#include "graph/op.h"
#include "nn/activation.h"

namespace backpass {
namespace {

constexpr Activation kActivations[] = {
    {"relu", [](const Tensor& x) { return relu(x); }},
    {"leaky_relu", [](const Tensor& x) { return leaky_relu(x); }},
    {"sigmoid", [](const Tensor& x) { return sigmoid(x); }},
    {"tanh", [](const Tensor& x) { return tanh(x); }},
    {"gelu", [](const Tensor& x) { return gelu(x); }},
    {"gelu_tanh", [](const Tensor& x) { return gelu_tanh(x); }},
    {"softplus", [](const Tensor& x) { return softplus(x); }},
    {"elu", [](const Tensor& x) { return elu(x); }},
    {"selu", [](const Tensor& x) { return selu(x); }},
    {"silu", [](const Tensor& x) { return silu(x); }},
    {"mish", [](const Tensor& x) { return mish(x); }},
    {"hardtanh", [](const Tensor& x) { return hardtanh(x); }},
    {"relu6", [](const Tensor& x) { return relu6(x); }},
    {"softmax", [](const Tensor& x) { return softmax(x); }},
    {"identity", [](const Tensor& x) { return x; }},
};

}  // namespace

const Activation* find_activation(const std::string& name) {
  for (const Activation& activation : kActivations)
    if (name == activation.name) return &activation;
  return nullptr;
}

std::string activation_names() {
  std::string names;
  for (const Activation& activation : kActivations) names += (names.empty() ? "" : ", ") + std::string(activation.name);
  return names;
}

namespace {

// What weights start as before a function; where a function squashes to a bounded range, Glorot's.
struct Start {
  Elementwise fn;
  const char* initializer;
};

constexpr Start kStarts[] = {
    {Elementwise::relu, "he_uniform"},        {Elementwise::leaky_relu, "he_uniform"},
    {Elementwise::elu, "he_uniform"},         {Elementwise::gelu, "he_uniform"},
    {Elementwise::gelu_tanh, "he_uniform"},   {Elementwise::softplus, "he_uniform"},
    {Elementwise::silu, "he_uniform"},        {Elementwise::mish, "he_uniform"},
    {Elementwise::sigmoid, "glorot_uniform"}, {Elementwise::tanh, "glorot_uniform"},
};

const Start* find_start(const Op& op) {
  if (op.kind != OpKind::elementwise) return nullptr;
  for (const Start& start : kStarts)
    if (start.fn == op.fn) return &start;
  return nullptr;
}

}  // namespace

bool is_activation(const Tensor& t) { return t.op().kind == OpKind::softmax || find_start(t.op()) != nullptr; }

Initializer initializer_before(const Tensor& activation) {
  const Start* start = activation ? find_start(activation.op()) : nullptr;
  if (start == nullptr) return "glorot_uniform";
  const double alpha = activation.op().alpha;
  if (start->fn == Elementwise::elu && alpha == kSeluAlpha) return "lecun_normal";  // the elu of a selu
  // He et al. 2015, equation 15: the variance is 2 / ((1 + slope^2) fan_in).
  return {start->initializer, start->fn == Elementwise::leaky_relu ? 1 / std::sqrt(1 + alpha * alpha) : 1.0};
}

Fields Dense::fields() {
  return {{"units", &units, "how many outputs each row has", kCount},
          {"activation", &activation, "what is applied to the output"},
          {"bias", &bias, "whether b is there"},
          {"weight_init", &weight_init, "how the weights start"},
          {"bias_init", &bias_init, "how b starts"}};
}

Tensor Dense::build(LayerContext& context, const Tensor& x) const {
  if (x.shape().size() < 2) fail("Dense", "needs an input of shape (batch, ..., features), got ", to_string(x.shape()));
  const Activation* own = activation.empty() ? nullptr : find_activation(activation);
  if (!activation.empty() && own == nullptr)
    fail("Dense", "unknown activation \"", activation, "\"; there are ", activation_names());
  const Tensor weight = context.parameter("weight", {units, x.shape().back()}, weight_init);
  Tensor z = matmul(x, weight, false, true);
  if (bias) z = z + context.parameter("bias", {units}, bias_init);
  context.set_z(z);
  return own == nullptr ? z : own->build(z);
}

Fields Dropout::fields() { return {{"rate", &rate, "how likely each element is dropped", kBelowOne}}; }

Tensor Dropout::build(LayerContext&, const Tensor& x) const { return dropout(x, rate); }

Fields AlphaDropout::fields() { return {{"rate", &rate, "how likely each element is dropped", kBelowOne}}; }

Tensor AlphaDropout::build(LayerContext&, const Tensor& x) const { return alpha_dropout(x, rate); }

Fields GaussianNoise::fields() { return {{"deviation", &deviation, "the noise's standard deviation", kNotNegative}}; }

Tensor GaussianNoise::build(LayerContext&, const Tensor& x) const { return gaussian_noise(x, deviation); }

Fields LeakyReLU::fields() { return {{"slope", &slope, "the slope where x <= 0"}}; }

Tensor LeakyReLU::build(LayerContext&, const Tensor& x) const { return leaky_relu(x, slope); }

Fields ELU::fields() { return {{"alpha", &alpha, "how far below 0 the output comes", kPositive}}; }

Tensor ELU::build(LayerContext&, const Tensor& x) const { return elu(x, alpha); }

Fields Hardtanh::fields() {
  return {{"min", &low, "the lower bound", kNumber}, {"max", &high, "the upper bound", kNumber}};
}

Tensor Hardtanh::build(LayerContext&, const Tensor& x) const {
  if (!(low < high) || !std::isfinite(low) || !std::isfinite(high))
    fail("Hardtanh", "min must be below max, and both finite, got ", low, " and ", high);
  return hardtanh(x, low, high);
}

Fields GELU::fields() { return {{"approximate", &approximate, "how Phi is computed", {"none", "tanh"}}}; }

Tensor GELU::build(LayerContext&, const Tensor& x) const { return approximate == "tanh" ? gelu_tanh(x) : gelu(x); }

Tensor ReLU::build(LayerContext&, const Tensor& x) const { return relu(x); }
Tensor Sigmoid::build(LayerContext&, const Tensor& x) const { return sigmoid(x); }
Tensor Tanh::build(LayerContext&, const Tensor& x) const { return tanh(x); }
Tensor Softplus::build(LayerContext&, const Tensor& x) const { return softplus(x); }
Tensor SELU::build(LayerContext&, const Tensor& x) const { return selu(x); }
Tensor SiLU::build(LayerContext&, const Tensor& x) const { return silu(x); }
Tensor Mish::build(LayerContext&, const Tensor& x) const { return mish(x); }
Tensor ReLU6::build(LayerContext&, const Tensor& x) const { return relu6(x); }
Tensor Softmax::build(LayerContext&, const Tensor& x) const { return softmax(x); }
Tensor Identity::build(LayerContext&, const Tensor& x) const { return x; }

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
