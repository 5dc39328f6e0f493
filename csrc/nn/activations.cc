// Activations by name, the layers that apply them, and what they ask of the weights before them.
#include <cmath>

#include "backpass/layers.h"
#include "base/error.h"
#include "graph/op.h"
#include "nn/activation.h"

namespace backpass {
namespace {

// Beside the functions of elementwise.h.
struct Composed {
  const char* name;
  Tensor (*build)(const Tensor& x);
};

constexpr Composed kComposed[] = {
    {"selu", selu},       {"hardtanh", [](const Tensor& x) { return hardtanh(x); }}, {"relu6", relu6},
    {"softmax", [](const Tensor& x) { return softmax(x); }}, {"identity", [](const Tensor& x) { return x; }},
};

bool is_activation(const ElementwiseRow& row) { return row.weights_before != nullptr; }

}  // namespace

ActivationFunction find_activation(const std::string& name) {
  for (const ElementwiseRow& row : kElementwise)
    if (is_activation(row) && name == row.name)
      return [&row](const Tensor& x) { return elementwise(row.fn, x, row.usual_alpha); };
  for (const Composed& composed : kComposed)
    if (name == composed.name) return composed.build;
  return nullptr;
}

std::vector<std::string> activations() {
  std::vector<std::string> names;
  for (const ElementwiseRow& row : kElementwise)
    if (is_activation(row)) names.emplace_back(row.name);
  for (const Composed& composed : kComposed) names.emplace_back(composed.name);
  return names;
}

std::string activation_names() {
  std::string text;
  for (const std::string& name : activations()) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::optional<Layer> find_applied_function(const std::string& type) {
  for (const ElementwiseRow& row : kElementwise)
    if (row.layer != nullptr && type == row.layer) return AppliedFunction(row.fn);
  return {};
}

bool is_activation(const Tensor& t) {
  const Op& op = t.op();
  return op.kind == OpKind::softmax || (op.kind == OpKind::elementwise && is_activation(row_of(op.fn)));
}

bool gives_probabilities(const Tensor& activation) {
  const Op& op = activation.op();
  return op.kind == OpKind::softmax || (op.kind == OpKind::elementwise && op.fn == Elementwise::sigmoid);
}

Initializer initializer_before(const Tensor& activation) {
  if (!activation || activation.op().kind != OpKind::elementwise || !is_activation(activation)) return kGlorot;
  const Op& op = activation.op();
  if (op.fn == Elementwise::elu && op.alpha == kSeluAlpha) return "lecun_normal";  // the elu of a selu
  // He et al. 2015, equation 15: the variance is 2 / ((1 + slope^2) fan_in).
  const double gain = op.fn == Elementwise::leaky_relu ? 1 / std::sqrt(1 + op.alpha * op.alpha) : 1.0;
  return {row_of(op.fn).weights_before, gain};
}

Tensor AppliedFunction::build(LayerContext&, const Tensor& x) const { return elementwise(fn, x); }

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

Tensor SELU::build(LayerContext&, const Tensor& x) const { return selu(x); }
Tensor ReLU6::build(LayerContext&, const Tensor& x) const { return relu6(x); }
Tensor Softmax::build(LayerContext&, const Tensor& x) const { return softmax(x); }
Tensor Identity::build(LayerContext&, const Tensor& x) const { return x; }

}  // namespace backpass
