// Writing and reading what is noted of layers.
#include "io/layer_json.h"

#include <algorithm>

#include "base/error.h"
#include "io/graph_json.h"

namespace backpass {
namespace {

JsonValue descriptions_to_json(const std::vector<Description>& layers);
std::vector<Description> descriptions_from_json(const JsonValue& json);

JsonValue list_to_json(const std::vector<double>& numbers) {
  JsonArray json;
  for (const double number : numbers) json.emplace_back(number_to_json(number));
  return json;
}

// Layers, or numbers; an empty array is of layers.
Attribute array_from_json(const JsonValue& json) {
  const JsonArray& array = json.as_array();
  if (array.empty() || array[0].is<JsonObject>()) return descriptions_from_json(json);
  std::vector<double> numbers;
  for (const JsonValue& number : array) numbers.push_back(number_from_json(number));
  return numbers;
}

JsonValue attribute_to_json(const Attribute& attribute) {
  if (const auto* layers = std::get_if<std::vector<Description>>(&attribute)) return descriptions_to_json(*layers);
  if (const auto* text = std::get_if<std::string>(&attribute)) return *text;
  if (const auto* number = std::get_if<double>(&attribute)) return number_to_json(*number);
  if (const auto* whole = std::get_if<std::int64_t>(&attribute)) return *whole;
  if (const auto* numbers = std::get_if<std::vector<double>>(&attribute)) return list_to_json(*numbers);
  return std::get<bool>(attribute);
}

Attribute attribute_from_json(const JsonValue& json) {
  if (json.is<bool>()) return json.as_bool();
  if (json.is<std::int64_t>()) return json.as_int();
  if (json.is<double>()) return json.as_double();
  if (json.is<JsonArray>()) return array_from_json(json);
  return json.as_string();
}

void write_description(JsonObject& json, const Description& layer) {
  JsonObject settings;
  for (const auto& [key, value] : layer.attributes) settings.emplace_back(key, attribute_to_json(value));
  json.emplace_back("type", layer.type);
  json.emplace_back("attributes", std::move(settings));
}

Description read_description(const JsonValue& json) {
  Description layer{json.at("type").as_string(), {}};
  for (const auto& [key, value] : json.at("attributes").as_object())
    layer.attributes.emplace_back(key, attribute_from_json(value));
  return layer;
}

JsonValue descriptions_to_json(const std::vector<Description>& layers) {
  JsonArray json;
  for (const Description& layer : layers) {
    JsonObject object;
    write_description(object, layer);
    json.emplace_back(std::move(object));
  }
  return json;
}

std::vector<Description> descriptions_from_json(const JsonValue& json) {
  std::vector<Description> layers;
  for (const JsonValue& layer : json.as_array()) layers.push_back(read_description(layer));
  return layers;
}

std::uint64_t read_number(const JsonValue& json, const char* key, std::uint64_t count) {
  const std::int64_t number = json.at(key).as_int();
  if (number < 0 || static_cast<std::uint64_t>(number) >= count)
    fail("graph", "layer: \"", key, "\" must be at least 0 and below ", count, ", got ", number);
  return static_cast<std::uint64_t>(number);
}

Tensor built_op(const JsonValue& json, const std::vector<Tensor>& built) {
  const std::int64_t i = json.as_int();
  if (i < 0 || static_cast<std::size_t>(i) >= built.size()) fail("graph", "layer: op ", i, " is not an earlier op");
  return built[static_cast<std::size_t>(i)];
}

}  // namespace

UseNumbers number_uses(const Graph& graph) {
  std::vector<const LayerUse*> uses;
  for (const Tensor& t : graph.ops())
    if (t.op().layer) uses.push_back(t.op().layer.get());
  std::sort(uses.begin(), uses.end(), [](const LayerUse* a, const LayerUse* b) { return a->call < b->call; });
  UseNumbers numbers;
  for (const LayerUse* use : uses) {
    numbers.calls.emplace(use->call, numbers.calls.size());
    numbers.layers.emplace(use->layer, numbers.layers.size());
  }
  return numbers;
}

JsonValue use_to_json(const LayerUse& use, const UseNumbers& uses, const OpNumbers& ops) {
  JsonObject json;
  json.reserve(8);
  json.emplace_back("layer", uses.layers.at(use.layer));
  json.emplace_back("call", uses.calls.at(use.call));
  if (const auto parent = uses.calls.find(use.parent); parent != uses.calls.end())
    json.emplace_back("parent", parent->second);
  json.emplace_back("name", use.name);
  write_description(json, use.description);
  JsonArray inputs;
  for (const Tensor& x : use.inputs)
    if (const auto found = ops.find(&x.op()); found != ops.end()) inputs.emplace_back(found->second);
  json.emplace_back("inputs", std::move(inputs));
  if (const auto z = use.z ? ops.find(&use.z.op()) : ops.end(); z != ops.end()) json.emplace_back("z", z->second);
  return json;
}

LayerUse use_from_json(const JsonValue& json, const std::vector<Tensor>& built, std::uint64_t first,
                       std::uint64_t count) {
  LayerUse use;
  use.layer = first + read_number(json, "layer", count);
  use.call = first + read_number(json, "call", count);
  if (json.find("parent") != nullptr) use.parent = first + read_number(json, "parent", count);
  use.name = json.at("name").as_string();
  use.description = read_description(json);
  for (const JsonValue& input : json.at("inputs").as_array()) use.inputs.push_back(built_op(input, built));
  if (const JsonValue* z = json.find("z")) use.z = built_op(*z, built);
  return use;
}

}  // namespace backpass
