// Writing a graph as JSON.
#include "io/graph_json.h"

#include "base/error.h"
#include "io/layer_json.h"
#include "io/op_fields.h"

namespace backpass {
namespace {

JsonArray op_numbers_to_json(const std::vector<Tensor>& tensors, const OpNumbers& numbers) {
  JsonArray json;
  for (const Tensor& tensor : tensors) json.emplace_back(numbers.at(&tensor.op()));
  return json;
}

JsonObject op_to_json(const Op& op, const OpNumbers& numbers, const UseNumbers& uses) {
  JsonObject json;
  json.reserve(8);
  json.emplace_back("kind", name(op.kind));
  if (!op.inputs.empty()) json.emplace_back("inputs", op_numbers_to_json(op.inputs, numbers));
  json.emplace_back("shape", shape_to_json({op.shape.begin(), op.shape.end()}));
  json.emplace_back("dtype", name(op.dtype));
  write_op_fields(json, op);
  if (op.layer) json.emplace_back("layer", use_to_json(*op.layer, uses, numbers));
  return json;
}

}  // namespace

// Op by op, for the values of them all would take many times the memory of the text.
std::string write_graph(const Graph& graph) {
  OpNumbers numbers;
  const UseNumbers uses = number_uses(graph);
  std::string text = "{\"ops\":[";
  const auto add = [&](const Tensor& tensor) {
    if (!numbers.emplace(&tensor.op(), numbers.size()).second) return;
    if (numbers.size() > 1) text += ',';
    text += write_json(op_to_json(tensor.op(), numbers, uses));
  };
  for (const Tensor& tensor : graph.inputs()) add(tensor);  // an input that no output needs is not among the ops
  for (const Tensor& tensor : graph.ops()) add(tensor);
  if (numbers.size() > kMaxGraphOps)
    fail("graph", "has ", numbers.size(), " ops, at most ", kMaxGraphOps, " can be saved");
  text += "],\"inputs\":" + write_json(op_numbers_to_json(graph.inputs(), numbers));
  return text + ",\"outputs\":" + write_json(op_numbers_to_json(graph.outputs(), numbers)) + "}";
}

}  // namespace backpass
