// Layers one after the other.
#include "nn/sequential.h"

#include <algorithm>

#include "base/error.h"
#include "nn/attributes.h"
#include "nn/layer_call.h"
#include "nn/network_impl.h"

namespace backpass {
namespace {

// The message of an error that a layer threw, with the layer's place.
std::string placed(const std::string& what, const std::string& type, std::size_t index) {
  const std::string own = "[" + type + "] ";
  return message(type + " " + std::to_string(index), what.rfind(own, 0) == 0 ? what.substr(own.size()) : what);
}

}  // namespace

Graph stack_layers(Shape input_shape, const std::vector<Layer>& layers, DType dtype) {
  for (Dim dim : input_shape)
    if (dim < 0) fail("Sequential", "input_shape must not be negative, got ", to_string(input_shape));
  if (input_shape.empty()) fail("Sequential", "input_shape needs at least one dimension beside the batch");
  if (dtype == DType::int32) fail("Sequential", "dtype must be float32 or float64");
  input_shape.insert(input_shape.begin(), kBatch);
  const OutermostCalls outermost;
  const bool integers = !layers.empty() && layers[0].type() == Embedding{}.type();
  const Tensor x = input(input_shape, integers ? DType::int32 : dtype, "x");
  Tensor y = x;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    try {
      if (get(layers[i].attributes(), "return_state", false))
        fail(layers[i].type(), "gives its final states too, which no layer behind it takes: call it in a Network");
      y = layers[i](y, std::to_string(i));
    } catch (const std::invalid_argument& error) {
      throw std::invalid_argument(placed(error.what(), layers[i].type(), i));
    }
  }
  return Graph({x}, {y});
}

Network sequential(Shape input_shape, const std::vector<Layer>& layers, SequentialOptions options) {
  if (layers.empty()) fail("Sequential", "needs at least one layer");
  if (std::ranges::find(input_shape, 0) != input_shape.end())
    fail("Sequential", "input_shape must be positive, got ", to_string(input_shape));
  const Graph graph = stack_layers(std::move(input_shape), layers, options.dtype);
  return Network(graph.inputs(), graph.outputs(), {options.seed, options.precision, options.dtype});
}

}  // namespace backpass
