// Layers from their names and settings, as saved.
#include "nn/make.h"

namespace backpass {

Layer make_layer(const std::string& type, const Attributes& attributes, const LayerParts& parts) {
  const auto as_layer = [](auto description) -> Layer { return description; };
  return make_of<Layer>(LayerTypes{}, "layer", type, attributes, as_layer, parts);
}

}  // namespace backpass
