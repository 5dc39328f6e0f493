// Layers one after the other.
#include "base/error.h"
#include "graph/op.h"
#include "nn/activation.h"
#include "nn/network_impl.h"

namespace backpass {
namespace {

double slope_of(const Layer& layer) {
  for (const auto& [key, value] : layer.attributes())
    if (key == "slope")
      if (const double* slope = std::get_if<double>(&value)) return *slope;
  return 0.01;
}

// Tells a layer which activation follows it; Dropout is looked through.
void look_ahead(LayerContext& context, const std::vector<Layer>& layers, std::size_t index) {
  context.next_activation.clear();
  for (std::size_t i = index + 1; i < layers.size(); ++i) {
    if (layers[i].type() == "Dropout") continue;
    if (find_activation(layers[i].type()) != nullptr) {
      context.next_activation = layers[i].type();
      context.next_slope = slope_of(layers[i]);
    }
    return;
  }
}

// The message of an error that a layer threw, with the layer's place.
std::string placed(const std::string& what, const std::string& type, std::size_t index) {
  const std::string own = "[" + type + "] ";
  return message(type + " " + std::to_string(index), what.rfind(own, 0) == 0 ? what.substr(own.size()) : what);
}

}  // namespace

Network sequential(Shape input_shape, const std::vector<Layer>& layers, SequentialOptions options) {
  for (Dim dim : input_shape)
    if (dim < 0) fail("Sequential", "input_shape must not be negative, got ", to_string(input_shape));
  if (input_shape.empty()) fail("Sequential", "input_shape needs at least one dimension beside the batch");
  if (options.dtype == DType::int32) fail("Sequential", "dtype must be float32 or float64");
  input_shape.insert(input_shape.begin(), kBatch);
  std::uint32_t streams = 0;
  LayerContext context{"", options.dtype, options.precision, "", 0.01, &streams};
  const Tensor x = input(input_shape, options.dtype, "x");
  std::vector<Tensor> outputs;
  Tensor y = x;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    context.prefix = std::to_string(i) + ".";
    look_ahead(context, layers, i);
    try {
      y = layers[i].build(context, y);
    } catch (const std::invalid_argument& error) {
      throw std::invalid_argument(placed(error.what(), layers[i].type(), i));
    }
    outputs.push_back(y);
  }
  Network network({x}, {y}, {options.seed});
  Network::Impl& impl = network.impl();
  impl.layer_outputs = outputs;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    Dim n_parameters = 0;
    for (const ParameterInfo& info : impl.parameters)
      if (info.name.rfind(std::to_string(i) + ".", 0) == 0) n_parameters += info.size;
    impl.layers.push_back({layers[i].type(), layers[i].attributes(), outputs[i].shape(), n_parameters});
  }
  return network;
}

}  // namespace backpass
