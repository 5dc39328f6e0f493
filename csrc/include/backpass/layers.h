// Layers: descriptions that compose operations.
#pragma once

#include "backpass/graph.h"

namespace backpass {

// What a layer sees while a network is built.
struct LayerContext {
  std::string prefix;  // "0." for the first layer
  DType dtype = DType::float32;
  Precision precision = Precision::highest;
  std::string next_activation;       // type of the first activation after this layer, "" if there is none
  double next_slope = 0.01;          // of that activation, where it is a LeakyReLU
  std::uint32_t* streams = nullptr;  // how many random streams are taken
};

// Any class with these three is a layer:
//   std::string type() const;  Attributes attributes() const;
//   Tensor build(LayerContext&, const Tensor& x) const;
class Layer {
 public:
  template <class L>
    requires(!std::is_same_v<std::decay_t<L>, Layer>)
  Layer(L layer) : self_(std::make_shared<Model<L>>(std::move(layer))) {}  // NOLINT: descriptions convert

  std::string type() const { return self_->type(); }
  Attributes attributes() const { return self_->attributes(); }
  Tensor build(LayerContext& context, const Tensor& x) const { return self_->build(context, x); }

 private:
  struct Concept {
    virtual ~Concept() = default;
    virtual std::string type() const = 0;
    virtual Attributes attributes() const = 0;
    virtual Tensor build(LayerContext& context, const Tensor& x) const = 0;
  };
  template <class L>
  struct Model final : Concept {
    explicit Model(L description) : layer(std::move(description)) {}
    std::string type() const override { return layer.type(); }
    Attributes attributes() const override { return layer.attributes(); }
    Tensor build(LayerContext& context, const Tensor& x) const override { return layer.build(context, x); }
    L layer;
  };
  std::shared_ptr<const Concept> self_;
};

// y = x Wᵀ + b over the last axis; weight (units, in), bias (units).
// weight_init "" chooses by the next activation: LeCun normal before SELU, He uniform before the rest of the ReLU
// family, GELU, SiLU, Mish and Softplus, else Glorot uniform. Throws std::invalid_argument where units < 1 or a name is
// unknown.
struct Dense {
  Dim units = 0;
  // "relu", "leaky_relu", "sigmoid", "tanh", "gelu", "gelu_tanh", "softplus", "elu", "selu", "silu", "mish",
  // "hardtanh", "relu6", "softmax", "identity" or ""
  std::string activation = "";
  bool bias = true;
  std::string weight_init = "";
  std::string bias_init = "zeros";

  std::string type() const { return "Dense"; }
  Attributes attributes() const;
  Tensor build(LayerContext& context, const Tensor& x) const;
};

// Each element dropped with probability `rate` in training, the others scaled by 1 / (1 - rate). 0 <= rate < 1.
struct Dropout {
  double rate = 0.5;

  std::string type() const { return "Dropout"; }
  Attributes attributes() const { return {{"rate", rate}}; }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

struct LeakyReLU {
  double slope = 0.01;

  std::string type() const { return "LeakyReLU"; }
  Attributes attributes() const { return {{"slope", slope}}; }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

struct ELU {
  double alpha = 1;  // positive and finite

  std::string type() const { return "ELU"; }
  Attributes attributes() const { return {{"alpha", alpha}}; }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

// x within [low, high], which is saved as "min" and "max"; low < high, both finite.
struct Hardtanh {
  double low = -1, high = 1;

  std::string type() const { return "Hardtanh"; }
  Attributes attributes() const { return {{"min", low}, {"max", high}}; }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

struct GELU {
  std::string approximate = "none";  // or "tanh"

  std::string type() const { return "GELU"; }
  Attributes attributes() const { return {{"approximate", approximate}}; }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

// What layers without settings share.
struct WithoutSettings {
  Attributes attributes() const { return {}; }
};

struct ReLU : WithoutSettings {
  std::string type() const { return "ReLU"; }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

struct Sigmoid : WithoutSettings {
  std::string type() const { return "Sigmoid"; }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

struct Tanh : WithoutSettings {
  std::string type() const { return "Tanh"; }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

struct Softplus : WithoutSettings {
  std::string type() const { return "Softplus"; }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

struct SELU : WithoutSettings {
  std::string type() const { return "SELU"; }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

struct SiLU : WithoutSettings {
  std::string type() const { return "SiLU"; }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

struct Mish : WithoutSettings {
  std::string type() const { return "Mish"; }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

struct ReLU6 : WithoutSettings {
  std::string type() const { return "ReLU6"; }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

struct Softmax : WithoutSettings {  // over the last axis
  std::string type() const { return "Softmax"; }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

struct Identity : WithoutSettings {
  std::string type() const { return "Identity"; }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

// From type and attributes, as saved. Throws std::invalid_argument where either is unknown.
Layer make_layer(const std::string& type, const Attributes& attributes);

}  // namespace backpass
