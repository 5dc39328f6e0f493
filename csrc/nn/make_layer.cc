// Layers from their names and settings, as saved.
#include "nn/activation.h"
#include "nn/make.h"

namespace backpass {

Layer make_layer(const std::string& type, const Attributes& attributes, const LayerParts& parts) {
  if (std::optional<Layer> applied = find_applied_function(type)) return *applied;
  const auto as_layer = [](auto description) -> Layer { return description; };
  return make_of<Layer>(LayerTypes{}, "layer", type, attributes, as_layer, parts);
}

}  // namespace backpass
