// The one list of activations: how each is named, built, and what it asks of the weights before it.
#pragma once

#include "backpass/layers.h"

namespace backpass {

struct Activation {
  const char* name;         // as Dense(activation=...) takes it
  const char* layer;        // as a layer's type
  const char* weight_init;  // of the weights before it
  Tensor (*build)(const Tensor& x, double slope);
};

const Activation* find_activation(const std::string& name_or_layer);  // null where there is none
std::string activation_names();                                       // for error messages

// What weights get before an activation type ("" for none); the slope is a LeakyReLU's.
Initializer weight_initializer(const std::string& activation, double slope);
// Throws std::invalid_argument that lists the names.
void check_initializer(const std::string& who, const std::string& name);

}  // namespace backpass
