// The one list of activations: how each is named and built, and what it asks of the weights before it.
#pragma once

#include "backpass/layers.h"

namespace backpass {

using ActivationFunction = std::function<Tensor(const Tensor& x)>;

ActivationFunction find_activation(const std::string& name);  // as Dense(activation=...) takes it; empty if unknown
std::string activation_names();                               // for error messages
std::optional<Layer> find_applied_function(const std::string& type);

bool is_activation(const Tensor& t);
bool gives_probabilities(const Tensor& activation);  // of what are logits before it
// What weights get before an activation (or before none: an empty tensor).
Initializer initializer_before(const Tensor& activation);
// The last weights of several in a row start ten times smaller than Glorot's: docs/training.md has what was measured.
inline const Initializer kInitializerOfLast{kGlorot, 0.1};
// Throws std::invalid_argument that lists the names. An empty one is chosen later.
void check_initializer(const std::string& who, const Initializer& initializer);

}  // namespace backpass
