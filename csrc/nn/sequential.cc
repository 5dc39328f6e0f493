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

Stack build_stack(Shape input_shape, const std::vector<Layer>& layers, DType dtype, Precision precision) {
  for (Dim dim : input_shape)
    if (dim < 0) fail("Sequential", "input_shape must not be negative, got ", to_string(input_shape));
  if (input_shape.empty()) fail("Sequential", "input_shape needs at least one dimension beside the batch");
  if (dtype == DType::int32) fail("Sequential", "dtype must be float32 or float64");
  input_shape.insert(input_shape.begin(), kBatch);
  std::uint32_t streams = 0;
  LayerContext context{"", dtype, precision, "", 0.01, &streams};
  Stack stack{input(input_shape, dtype, "x"), {}};
  for (std::size_t i = 0; i < layers.size(); ++i) {
    context.prefix = std::to_string(i) + ".";
    look_ahead(context, layers, i);
    try {
      stack.outputs.push_back(layers[i].build(context, stack.y()));
    } catch (const std::invalid_argument& error) {
      throw std::invalid_argument(placed(error.what(), layers[i].type(), i));
    }
  }
  return stack;
}

Network stack_network(const Stack& stack, const std::vector<Layer>& layers, std::optional<std::uint64_t> seed) {
  Network network({stack.x}, {stack.y()}, {seed});
  Network::Impl& impl = network.impl();
  impl.layer_outputs = stack.outputs;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    Dim n_parameters = 0;
    for (const ParameterInfo& info : impl.parameters)
      if (info.name.rfind(std::to_string(i) + ".", 0) == 0) n_parameters += info.size;
    impl.layers.push_back({layers[i].type(), layers[i].attributes(), stack.outputs[i].shape(), n_parameters});
  }
  return network;
}

Network sequential(Shape input_shape, const std::vector<Layer>& layers, SequentialOptions options) {
  return stack_network(build_stack(std::move(input_shape), layers, options.dtype, options.precision), layers,
                       options.seed);
}

}  // namespace backpass
