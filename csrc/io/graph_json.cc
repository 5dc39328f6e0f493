// Writing a graph as JSON.
#include "io/graph_json.h"

#include <cmath>
#include <limits>
#include <stdexcept>

#include "base/error.h"
#include "io/layer_json.h"

namespace backpass {
namespace {

template <class Dims>
JsonArray shape_to_json(const Dims& shape) {
  JsonArray json;
  for (const Dim dim : shape) json.push_back(dim == kBatch ? JsonValue("batch") : JsonValue(dim));
  return json;
}

JsonArray values_to_json(const std::vector<double>& values) {
  JsonArray json;
  for (const double value : values) json.push_back(number_to_json(value));
  return json;
}

void write_ignored(JsonObject& json, const Op& op) {
  if (!op.dims.empty()) json.emplace_back("ignore", op.dims[0]);
}

// One case per kind: what the kind uses, and nothing else.
void write_attributes(JsonObject& json, const Op& op) {
  switch (op.kind) {
    case OpKind::input:
      json.emplace_back("name", op.name);
      break;
    case OpKind::parameter:
      if (op.sparse) json.emplace_back("sparse", true);
      [[fallthrough]];
    case OpKind::state:
      json.emplace_back("name", op.name);
      json.emplace_back("initializer", op.initializer.fill ? kCustom : op.initializer.name);
      json.emplace_back("gain", number_to_json(op.initializer.gain));
      break;
    case OpKind::constant:
      json.emplace_back("value", number_to_json(op.alpha));
      break;
    case OpKind::values:
      json.emplace_back("values", values_to_json(op.values));
      break;
    case OpKind::take:
    case OpKind::scatter_add:
      json.emplace_back("who", op.name);
      write_ignored(json, op);
      break;
    case OpKind::take_label:
    case OpKind::put_label:
      write_ignored(json, op);
      break;
    case OpKind::random_normal:
      json.emplace_back("stream", op.stream);
      break;
    case OpKind::track:
      json.emplace_back("momentum", number_to_json(op.alpha));
      break;
    case OpKind::elementwise:
      json.emplace_back("fn", name(op.fn));
      if (has_alpha(op.fn)) json.emplace_back("alpha", number_to_json(op.alpha));
      break;
    case OpKind::matmul:
      json.emplace_back("transpose_a", op.transpose_a);
      json.emplace_back("transpose_b", op.transpose_b);
      json.emplace_back("precision", name(op.precision));
      break;
    case OpKind::sum:
      json.emplace_back("dims", shape_to_json(op.dims));
      json.emplace_back("keepdims", op.keepdims);
      break;
    case OpKind::count:
      json.emplace_back("dims", shape_to_json(op.dims));
      if (op.alpha > 0) json.emplace_back("least", number_to_json(op.alpha));
      if (!op.name.empty()) json.emplace_back("who", op.name);
      break;
    case OpKind::transpose:
    case OpKind::slice:
    case OpKind::pad:
    case OpKind::concat:
      json.emplace_back("dims", shape_to_json(op.dims));
      break;
    case OpKind::random_keep:
      json.emplace_back("rate", number_to_json(op.alpha));
      json.emplace_back("stream", op.stream);
      break;
    case OpKind::inverse_rms:
      json.emplace_back("eps", number_to_json(op.alpha));
      break;
    case OpKind::host:
      fail("graph", '"', op.host->name,
           "\" is computed by the host program, so it cannot be saved; a layer or loss that ",
           "composes operations can");
    case OpKind::broadcast:
    case OpKind::reshape:
    case OpKind::softmax:
    case OpKind::log_sum_exp:
    case OpKind::below_max:
    case OpKind::center:
    case OpKind::by_mode:
    case OpKind::stop_gradient:
      break;
  }
}

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
  json.emplace_back("shape", shape_to_json(op.shape));
  json.emplace_back("dtype", name(op.dtype));
  write_attributes(json, op);
  if (op.layer) json.emplace_back("layer", use_to_json(*op.layer, uses, numbers));
  return json;
}

}  // namespace

JsonValue number_to_json(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return value;
}

double number_from_json(const JsonValue& json) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (!json.is<std::string>()) return json.as_double();
  const std::string& text = json.as_string();
  if (text == "inf") return kInfinity;
  if (text == "-inf") return -kInfinity;
  if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
  throw std::invalid_argument("expected a number, found \"" + text + "\"");
}

std::vector<double> read_numbers(JsonReader& reader) {
  std::vector<double> numbers;
  reader.array([&] { numbers.push_back(number_from_json(reader.value())); });
  return numbers;
}

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
