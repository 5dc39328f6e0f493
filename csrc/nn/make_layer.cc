// Layers from their names and settings, as saved.
#include <array>

#include "backpass/layers.h"
#include "base/error.h"
#include "nn/attributes.h"

namespace backpass {
namespace {

// What was left out is saved as an empty string.
std::optional<Dim> get_index(const Attributes& attributes, const std::string& name) {
  const Attribute* value = find_attribute(attributes, name);
  if (value == nullptr || std::holds_alternative<std::string>(*value)) return {};
  return get<std::int64_t>(attributes, name, 0);
}

Layer make_dense(const Attributes& a) {
  return Dense{get<std::int64_t>(a, "units", 0), get<std::string>(a, "activation", ""), get<bool>(a, "bias", true),
               get<std::string>(a, "weight_init", ""), get<std::string>(a, "bias_init", "zeros")};
}

Layer make_embedding(const Attributes& a) {
  return Embedding{get<std::int64_t>(a, "num_embeddings", 0), get<std::int64_t>(a, "embedding_dim", 0),
                   get_index(a, "padding_idx"), get<bool>(a, "sparse", false),
                   get<std::string>(a, "weight_init", "normal")};
}

Layer make_residual(const Attributes& a) {
  Residual residual;
  for (const Description& inner : get<std::vector<Description>>(a, "layers", {}))
    residual.layers.push_back(make_layer(inner.type, inner.attributes));
  return residual;
}

template <class L>
Layer make_plain(const Attributes&) {
  return L{};
}

struct Maker {
  const char* type;
  Layer (*make)(const Attributes& attributes);
};

constexpr Maker kMakers[] = {
    {"Dense", make_dense},
    {"Embedding", make_embedding},
    {"Residual", make_residual},
    {"BatchNorm",
     [](const Attributes& a) -> Layer {
       return BatchNorm{get(a, "momentum", 0.1), get(a, "eps", 1e-5), get(a, "affine", true)};
     }},
    {"LayerNorm",
     [](const Attributes& a) -> Layer {
       return LayerNorm{get(a, "eps", 1e-5), get(a, "affine", true), get(a, "bias", true)};
     }},
    {"RMSNorm",
     [](const Attributes& a) -> Layer {
       return RMSNorm{get(a, "eps", 0.0), get(a, "affine", true)};
     }},
    {"Dropout", [](const Attributes& a) -> Layer { return Dropout{get(a, "rate", 0.5)}; }},
    {"AlphaDropout", [](const Attributes& a) -> Layer { return AlphaDropout{get(a, "rate", 0.5)}; }},
    {"GaussianNoise", [](const Attributes& a) -> Layer { return GaussianNoise{get(a, "deviation", 0.1)}; }},
    {"LeakyReLU", [](const Attributes& a) -> Layer { return LeakyReLU{get(a, "slope", 0.01)}; }},
    {"GELU", [](const Attributes& a) -> Layer { return GELU{get<std::string>(a, "approximate", "none")}; }},
    {"ELU", [](const Attributes& a) -> Layer { return ELU{get(a, "alpha", 1.0)}; }},
    {"Hardtanh",
     [](const Attributes& a) -> Layer {
       return Hardtanh{get(a, "min", -1.0), get(a, "max", 1.0)};
     }},
    {"Concat", [](const Attributes& a) -> Layer { return Concat{get<std::int64_t>(a, "axis", -1)}; }},
    {"Add", make_plain<Add>},
    {"Multiply", make_plain<Multiply>},
    {"Flatten", make_plain<Flatten>},
    {"ReLU", make_plain<ReLU>},
    {"Sigmoid", make_plain<Sigmoid>},
    {"Tanh", make_plain<Tanh>},
    {"Softplus", make_plain<Softplus>},
    {"SELU", make_plain<SELU>},
    {"SiLU", make_plain<SiLU>},
    {"Mish", make_plain<Mish>},
    {"ReLU6", make_plain<ReLU6>},
    {"Softmax", make_plain<Softmax>},
    {"Identity", make_plain<Identity>},
};

}  // namespace

Layer make_layer(const std::string& type, const Attributes& attributes) {
  for (const Maker& maker : kMakers)
    if (type == maker.type) return maker.make(attributes);
  fail("layer", "unknown type \"", type, '"');
}

}  // namespace backpass
