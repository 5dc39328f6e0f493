// Layers: a few lines each that compose ops.
#include "backpass/layers.h"

#include <cmath>

#include "base/error.h"
#include "nn/activation.h"

namespace backpass {
namespace {

constexpr Activation kActivations[] = {
    {"relu", "ReLU", "he_uniform", [](const Tensor& x, double) { return relu(x); }},
    {"leaky_relu", "LeakyReLU", "he_uniform", [](const Tensor& x, double slope) { return leaky_relu(x, slope); }},
    {"sigmoid", "Sigmoid", "glorot_uniform", [](const Tensor& x, double) { return sigmoid(x); }},
    {"tanh", "Tanh", "glorot_uniform", [](const Tensor& x, double) { return tanh(x); }},
    {"gelu", "GELU", "he_uniform", [](const Tensor& x, double) { return gelu(x); }},
    {"gelu_tanh", "GELU", "he_uniform", [](const Tensor& x, double) { return gelu_tanh(x); }},
    {"softplus", "Softplus", "he_uniform", [](const Tensor& x, double) { return softplus(x); }},
    {"elu", "ELU", "he_uniform", [](const Tensor& x, double) { return elu(x); }},
    {"selu", "SELU", "lecun_normal", [](const Tensor& x, double) { return selu(x); }},
    {"silu", "SiLU", "he_uniform", [](const Tensor& x, double) { return silu(x); }},
    {"mish", "Mish", "he_uniform", [](const Tensor& x, double) { return mish(x); }},
    {"hardtanh", "Hardtanh", "glorot_uniform", [](const Tensor& x, double) { return hardtanh(x); }},
    {"relu6", "ReLU6", "he_uniform", [](const Tensor& x, double) { return relu6(x); }},
    {"softmax", "Softmax", "glorot_uniform", [](const Tensor& x, double) { return softmax(x); }},
    {"identity", "Identity", "glorot_uniform", [](const Tensor& x, double) { return x; }},
};

constexpr double kDefaultSlope = 0.01;

Tensor activate(const char* layer, const Tensor& x, double slope = kDefaultSlope) {
  return find_activation(layer)->build(x, slope);
}

const Attribute* find(const Attributes& attributes, const std::string& name) {
  for (const auto& [key, value] : attributes)
    if (key == name) return &value;
  return nullptr;
}

// The attribute, or `otherwise` where it is absent; a number may be written as an integer.
template <class T>
T get(const Attributes& attributes, const std::string& name, T otherwise) {
  const Attribute* value = find(attributes, name);
  if (value == nullptr) return otherwise;
  if (const T* held = std::get_if<T>(value)) return *held;
  if constexpr (std::is_same_v<T, double>)
    if (const std::int64_t* whole = std::get_if<std::int64_t>(value)) return static_cast<double>(*whole);
  fail("layer", "attribute \"", name, "\" has the wrong type");
}

}  // namespace

const Activation* find_activation(const std::string& name_or_layer) {
  for (const Activation& activation : kActivations)
    if (name_or_layer == activation.name || name_or_layer == activation.layer) return &activation;
  return nullptr;
}

std::string activation_names() {
  std::string names;
  for (const Activation& activation : kActivations) names += (names.empty() ? "" : ", ") + std::string(activation.name);
  return names;
}

Initializer weight_initializer(const std::string& activation, double slope) {
  const Activation* next = find_activation(activation);
  if (next == nullptr) return {"glorot_uniform", 1.0};
  // He et al. 2015, equation 15: the variance is 2 / ((1 + slope^2) fan_in).
  const bool leaky = std::string(next->layer) == "LeakyReLU";
  return {next->weight_init, leaky ? 1 / std::sqrt(1 + slope * slope) : 1.0};
}

Attributes Dense::attributes() const {
  return {{"units", units},
          {"activation", activation},
          {"bias", bias},
          {"weight_init", weight_init},
          {"bias_init", bias_init}};
}

Tensor Dense::build(LayerContext& context, const Tensor& x) const {
  if (units < 1) fail("Dense", "units must be positive, got ", units);
  if (x.shape().size() < 2) fail("Dense", "needs an input of shape (batch, ..., features), got ", to_string(x.shape()));
  const Activation* own = activation.empty() ? nullptr : find_activation(activation);
  if (!activation.empty() && own == nullptr)
    fail("Dense", "unknown activation \"", activation, "\"; there are ", activation_names());
  const std::string next = activation.empty() ? context.next_activation : activation;
  Initializer initializer = weight_initializer(next, activation.empty() ? context.next_slope : kDefaultSlope);
  if (!weight_init.empty()) initializer = {weight_init, 1.0};
  check_initializer("Dense", initializer.name);
  check_initializer("Dense", bias_init);
  const Tensor weight = parameter({units, x.shape().back()}, context.dtype, context.prefix + "weight", initializer);
  Tensor z = matmul(x, weight, false, true, context.precision);
  if (bias) z = z + parameter({units}, context.dtype, context.prefix + "bias", {bias_init, 1.0});
  return own == nullptr ? z : own->build(z, kDefaultSlope);
}

Tensor Dropout::build(LayerContext& context, const Tensor& x) const {
  if (!(rate >= 0 && rate < 1)) fail("Dropout", "rate must be at least 0 and below 1, got ", rate);
  return dropout(x, rate, (*context.streams)++);
}

Tensor LeakyReLU::build(LayerContext&, const Tensor& x) const {
  if (!std::isfinite(slope)) fail("LeakyReLU", "slope must be finite, got ", slope);
  return activate("LeakyReLU", x, slope);
}

Tensor ELU::build(LayerContext&, const Tensor& x) const {
  if (!(alpha > 0) || !std::isfinite(alpha)) fail("ELU", "alpha must be positive and finite, got ", alpha);
  return elu(x, alpha);
}

Tensor Hardtanh::build(LayerContext&, const Tensor& x) const {
  if (!(low < high) || !std::isfinite(low) || !std::isfinite(high))
    fail("Hardtanh", "min must be below max, and both finite, got ", low, " and ", high);
  return hardtanh(x, low, high);
}

Tensor GELU::build(LayerContext&, const Tensor& x) const {
  if (approximate != "none" && approximate != "tanh")
    fail("GELU", "approximate must be \"none\" or \"tanh\", got \"", approximate, '"');
  return approximate == "tanh" ? gelu_tanh(x) : gelu(x);
}

Tensor ReLU::build(LayerContext&, const Tensor& x) const { return activate("ReLU", x); }
Tensor Sigmoid::build(LayerContext&, const Tensor& x) const { return activate("Sigmoid", x); }
Tensor Tanh::build(LayerContext&, const Tensor& x) const { return activate("Tanh", x); }
Tensor Softplus::build(LayerContext&, const Tensor& x) const { return activate("Softplus", x); }
Tensor SELU::build(LayerContext&, const Tensor& x) const { return activate("SELU", x); }
Tensor SiLU::build(LayerContext&, const Tensor& x) const { return activate("SiLU", x); }
Tensor Mish::build(LayerContext&, const Tensor& x) const { return activate("Mish", x); }
Tensor ReLU6::build(LayerContext&, const Tensor& x) const { return activate("ReLU6", x); }
Tensor Softmax::build(LayerContext&, const Tensor& x) const { return activate("Softmax", x); }
Tensor Identity::build(LayerContext&, const Tensor& x) const { return activate("Identity", x); }

Layer make_layer(const std::string& type, const Attributes& a) {
  if (type == "Dense")
    return Dense{get<std::int64_t>(a, "units", 0), get<std::string>(a, "activation", ""), get<bool>(a, "bias", true),
                 get<std::string>(a, "weight_init", ""), get<std::string>(a, "bias_init", "zeros")};
  if (type == "Dropout") return Dropout{get<double>(a, "rate", 0.5)};
  if (type == "LeakyReLU") return LeakyReLU{get<double>(a, "slope", kDefaultSlope)};
  if (type == "ReLU") return ReLU{};
  if (type == "Sigmoid") return Sigmoid{};
  if (type == "Tanh") return Tanh{};
  if (type == "GELU") return GELU{get<std::string>(a, "approximate", "none")};
  if (type == "Softplus") return Softplus{};
  if (type == "ELU") return ELU{get<double>(a, "alpha", 1)};
  if (type == "SELU") return SELU{};
  if (type == "SiLU") return SiLU{};
  if (type == "Mish") return Mish{};
  if (type == "Hardtanh") return Hardtanh{get<double>(a, "min", -1), get<double>(a, "max", 1)};
  if (type == "ReLU6") return ReLU6{};
  if (type == "Softmax") return Softmax{};
  if (type == "Identity") return Identity{};
  fail("layer", "unknown type \"", type, '"');
}

}  // namespace backpass
