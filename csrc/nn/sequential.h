// Layers one after the other, as a graph.
#pragma once

#include "backpass/layers.h"

namespace backpass {

// Over inputs of shape (batch, *input_shape). Throws std::invalid_argument that names the layer.
Graph stack_layers(Shape input_shape, const std::vector<Layer>& layers, DType dtype);

}  // namespace backpass
