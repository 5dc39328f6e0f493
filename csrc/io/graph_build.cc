// Building a graph from JSON that may come from anybody.
#include "base/error.h"
#include "io/graph_json.h"
#include "io/layer_json.h"
#include "io/op_fields.h"
#include "nn/layer_call.h"

namespace backpass {
namespace {

constexpr std::size_t kMaxInputs = 1 << 12;  // of a graph

OpKind parse_kind(const std::string& text) {
  for (const OpRow& row : op_rows())
    if (row.rebuild && text == row.name) return row.kind;
  reject("unknown kind \"", text, '"');
}

Tensor pick_one(const JsonValue& number, const std::vector<Tensor>& built) {
  const std::int64_t i = number.as_int();
  if (i < 0 || static_cast<std::size_t>(i) >= built.size()) reject("input ", i, " is not an earlier op");
  return built[static_cast<std::size_t>(i)];
}

std::vector<Tensor> read_inputs(const JsonValue& json, OpRow::Count count, const std::vector<Tensor>& built) {
  std::vector<Tensor> inputs;
  if (const JsonValue* list = json.find("inputs")) {
    const std::size_t got = list->as_array().size();
    if (got > count.most) reject("takes at most ", count.most, " inputs, got ", got);
    for (const JsonValue& number : list->as_array()) inputs.push_back(pick_one(number, built));
  }
  if (inputs.size() < count.least) reject("takes ", count.least, " inputs, got ", inputs.size());
  return inputs;
}

// The op again, with the layer that it ends noted beside it.
Tensor with_layer(const Tensor& tensor, const JsonValue& layer, const std::vector<Tensor>& built,
                  std::uint64_t first_number) {
  Op op = tensor.op();
  op.layer = std::make_shared<const LayerUse>(use_from_json(layer, built, first_number, kMaxGraphOps));
  return make_tensor(std::move(op));
}

Tensor build_op(JsonReader& reader, const std::vector<Tensor>& built, std::uint64_t first_number) try {
  JsonObject members;
  std::vector<double> values;  // there may be many
  reader.object([&](const std::string& key) {
    if (key == "values")
      values = read_numbers(reader);
    else
      members.emplace_back(key, reader.value());
  });
  const JsonValue json = std::move(members);
  Op op{.kind = parse_kind(json.at("kind").as_string())};
  op.shape = shape_from_json(json.at("shape"));
  op.dtype = parse_name<DType>("dtype", json.at("dtype").as_string(), 3);
  op.inputs = read_inputs(json, row_of(op).inputs, built);
  op.values = std::move(values);
  read_op_fields(json, op);
  const Tensor tensor = row_of(op).rebuild(op);
  if (tensor.shape() != op.shape) reject("has shape ", to_string(tensor.shape()), ", not ", to_string(op.shape));
  if (tensor.dtype() != op.dtype) reject("has dtype ", name(tensor.dtype()), ", not ", name(op.dtype));
  const JsonValue* layer = json.find("layer");
  return layer ? with_layer(tensor, *layer, built, first_number) : tensor;
} catch (const std::invalid_argument& error) {
  reject("op ", built.size(), ": ", error.what());
}

std::vector<Tensor> pick(const JsonValue& numbers, const std::vector<Tensor>& built) {
  if (numbers.as_array().size() > kMaxInputs) reject("more than ", kMaxInputs, " inputs or outputs");
  std::vector<Tensor> tensors;
  for (const JsonValue& number : numbers.as_array()) {
    const std::int64_t i = number.as_int();
    if (i < 0 || static_cast<std::size_t>(i) >= built.size()) reject("op ", i, " does not exist");
    tensors.push_back(built[static_cast<std::size_t>(i)]);
  }
  return tensors;
}

}  // namespace

Graph read_graph(std::string_view text) {
  const std::uint64_t first_number = reserve_numbers(kMaxGraphOps);  // of layers and their calls
  JsonReader reader(text);
  JsonObject members;
  std::vector<Tensor> built;
  const auto read_op = [&] {
    if (built.size() == kMaxGraphOps) reject("has more than ", kMaxGraphOps, " ops");
    built.push_back(build_op(reader, built, first_number));
  };
  reader.object([&](const std::string& key) {
    if (key == "ops")
      reader.array(read_op);
    else
      members.emplace_back(key, reader.value());
  });
  reader.end();
  if (built.empty()) reject("\"ops\" is missing or empty");
  const JsonValue json = std::move(members);
  return Graph(pick(json.at("inputs"), built), pick(json.at("outputs"), built));
}

}  // namespace backpass
