// Building a graph from JSON that may come from anybody.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "io/graph_json.h"
#include "io/layer_json.h"
#include "nn/activation.h"
#include "nn/initialize.h"
#include "nn/layer_call.h"

namespace backpass {
namespace {

// Far beyond any network; they keep sums and products of dimensions within int64, and time linear in the file.
constexpr std::size_t kMaxOperands = 1 << 18, kMaxInputs = 1 << 12;
constexpr Dim kMaxElements = Dim{1} << 40;

constexpr int kKindCount = static_cast<int>(OpKind::stop_gradient) + 1;

template <class... Parts>
[[noreturn]] void reject(const Parts&... parts) {
  fail("graph", parts...);
}

// The value of an enum with `count` values whose name is `text`.
template <class Enum>
Enum parse_name(const char* what, const std::string& text, int count) {
  for (int i = 0; i < count; ++i) {
    if (text == name(static_cast<Enum>(i))) return static_cast<Enum>(i);
  }
  reject("unknown ", what, " \"", text, '"');
}

Shape read_shape(const JsonValue& json) {
  Shape shape;
  Dim elements = 1;
  bool batch = false;
  if (json.as_array().size() > Shape::kMaxRank) reject("rank ", json.as_array().size(), " exceeds ", Shape::kMaxRank);
  for (const JsonValue& value : json.as_array()) {
    const bool is_batch = value == JsonValue("batch");
    if (is_batch && std::exchange(batch, true)) reject("the batch stands twice in a shape");
    shape.push_back(is_batch ? kBatch : value.as_int());
    if (shape.back() < 0 && !is_batch) reject("a dimension is negative");
    if (shape.back() > kMaxElements / elements) reject("a shape has too many elements");
    elements *= std::max<Dim>(shape.back(), 1);
  }
  return shape;
}

// One op of the file, with the tensors that were built before it.
struct OpReader {
  const JsonValue& json;
  const std::vector<double>& values;  // of a constant
  const std::vector<Tensor>& built;
  OpKind kind;
  Shape shape;
  DType dtype;

  std::vector<Tensor> inputs(std::size_t least, std::size_t most) const {
    std::vector<Tensor> result;
    if (const JsonValue* list = json.find("inputs")) {
      if (list->as_array().size() > most) reject("takes at most ", most, " inputs, got ", list->as_array().size());
      for (const JsonValue& number : list->as_array()) result.push_back(at(number));
    }
    if (result.size() < least) reject("takes ", least, " inputs, got ", result.size());
    return result;
  }
  Tensor at(const JsonValue& number) const {
    const std::int64_t i = number.as_int();
    if (i < 0 || static_cast<std::size_t>(i) >= built.size()) reject("input ", i, " is not an earlier op");
    return built[static_cast<std::size_t>(i)];
  }
  std::vector<Dim> dims(std::size_t count) const {
    std::vector<Dim> result = dims();
    if (result.size() != count) reject("takes ", count, " dims, got ", result.size());
    return result;
  }
  std::vector<Dim> dims() const { return not_batch(read_shape(json.at("dims"))); }
  static std::vector<Dim> not_batch(const Shape& dims) {
    if (std::count(dims.begin(), dims.end(), kBatch) != 0) reject("dims are not dimensions of a shape");
    return {dims.begin(), dims.end()};
  }
  void check_real() const {
    if (dtype == DType::int32) reject("must be float32 or float64");
  }
  std::string text(const char* key) const { return json.at(key).as_string(); }
  double number(const char* key) const { return number_from_json(json.at(key)); }
  bool flag(const char* key) const { return json.at(key).as_bool(); }
};

Tensor build_elementwise(const OpReader& op) {
  const auto fn = parse_name<Elementwise>("function", op.text("fn"), kElementwiseCount);
  const double alpha = has_alpha(fn) ? op.number("alpha") : 0;
  const std::size_t arity = is_binary(fn) ? 2 : 1;
  const std::vector<Tensor> x = op.inputs(arity, arity);
  return is_binary(fn) ? elementwise(fn, x[0], x[1], alpha) : elementwise(fn, x[0], alpha);
}

Tensor build_matmul(const OpReader& op) {
  const std::vector<Tensor> x = op.inputs(2, 2);
  return matmul(x[0], x[1], op.flag("transpose_a"), op.flag("transpose_b"), parse_precision(op.text("precision")));
}

// count, random_keep and random_normal have no inputs and no function of their own, so their checks stand here.
Tensor build_count(const OpReader& op) {
  op.check_real();
  const Shape dims = read_shape(op.json.at("dims"));
  const JsonValue *least = op.json.find("least"), *who = op.json.find("who");
  return make_tensor({.kind = OpKind::count,
                      .dtype = op.dtype,
                      .alpha = least ? number_from_json(*least) : 0,
                      .dims = {dims.begin(), dims.end()},
                      .name = who ? who->as_string() : std::string()});
}

Tensor build_random(const OpReader& op) {
  op.check_real();
  const double rate = op.kind == OpKind::random_keep ? op.number("rate") : 0;
  const std::int64_t stream = op.json.at("stream").as_int();
  if (!(rate >= 0 && rate < 1)) reject("rate must be at least 0 and below 1, got ", rate);
  if (stream < 0 || stream > std::numeric_limits<std::uint32_t>::max()) reject("stream is out of range");
  return make_tensor({.kind = op.kind,
                      .shape = op.shape,
                      .dtype = op.dtype,
                      .alpha = rate,
                      .stream = static_cast<std::uint32_t>(stream)});
}

Tensor build_layout(const OpReader& op) {
  const Tensor x = op.inputs(1, 1)[0];
  if (op.kind == OpKind::broadcast) return broadcast_to(x, op.shape);
  if (op.kind == OpKind::reshape) return x.shape() == op.shape ? view(x) : reshape(x, op.shape);
  if (op.kind == OpKind::transpose) return transpose(x, op.dims());
  const std::vector<Dim> range = op.dims(3);
  if (op.kind == OpKind::slice) return slice(x, range[0], range[1], range[2]);
  return pad(x, range[0], range[1], range[2], op.shape);
}

Tensor build_labels(const OpReader& op) {
  const std::vector<Tensor> x = op.inputs(2, 2);
  const JsonValue* number = op.json.find("ignore");
  const std::optional<Dim> ignore = number ? std::optional<Dim>(number->as_int()) : std::nullopt;
  return op.kind == OpKind::take_label ? take_label(x[0], x[1], ignore) : put_label(x[0], x[1], op.shape, ignore);
}

Tensor build_kept(const OpReader& op) {
  const double gain = op.number("gain");
  const Initializer initializer =
      op.text("initializer") == kCustom ? forgotten_initializer(gain) : Initializer{op.text("initializer"), gain};
  check_initializer(name(op.kind), initializer);
  if (op.kind == OpKind::state) return state(op.shape, op.dtype, op.text("name"), initializer);
  Op made = parameter(op.shape, op.dtype, op.text("name"), initializer).op();
  const JsonValue* sparse = op.json.find("sparse");
  made.sparse = sparse && sparse->as_bool();
  return make_tensor(std::move(made));
}

Tensor build_rows(const OpReader& op) {
  const std::vector<Tensor> x = op.inputs(2, 2);
  const JsonValue* number = op.json.find("ignore");
  const std::vector<Dim> ignore = number ? std::vector<Dim>{number->as_int()} : std::vector<Dim>{};
  return op.kind == OpKind::take ? take_for(op.text("who"), x[0], x[1], ignore)
                                 : scatter_add(x[0], x[1], op.shape, ignore, op.text("who"));
}

Tensor build_track(const OpReader& op) {
  const std::vector<Tensor> x = op.inputs(3, 3);
  return track(x[0], x[1], x[2], op.number("momentum"));
}

Tensor build_inverse_rms(const OpReader& op) {
  const double eps = op.number("eps");
  if (!(eps > 0) || !std::isfinite(eps)) reject("eps must be positive and finite, got ", eps);
  return inverse_rms(op.inputs(1, 1)[0], eps);
}

Tensor build(const OpReader& op) {
  switch (op.kind) {
    case OpKind::input:
      return input(op.shape, op.dtype, op.text("name"));
    case OpKind::parameter:
    case OpKind::state:
      return build_kept(op);
    case OpKind::values:
      return constant(op.values, op.shape, op.dtype);
    case OpKind::take:
    case OpKind::scatter_add:
      return build_rows(op);
    case OpKind::by_mode:
      return by_mode(op.inputs(2, 2)[0], op.inputs(2, 2)[1]);
    case OpKind::track:
      return build_track(op);
    case OpKind::constant:
      return constant(op.number("value"), op.shape, op.dtype);
    case OpKind::count:
      return build_count(op);
    case OpKind::random_keep:
    case OpKind::random_normal:
      return build_random(op);
    case OpKind::elementwise:
      return build_elementwise(op);
    case OpKind::matmul:
      return build_matmul(op);
    case OpKind::sum:
      return sum(op.inputs(1, 1)[0], op.dims(), op.flag("keepdims"));
    case OpKind::broadcast:
    case OpKind::reshape:
    case OpKind::transpose:
    case OpKind::slice:
    case OpKind::pad:
      return build_layout(op);
    case OpKind::concat:
      return concat(op.inputs(1, kMaxOperands), op.dims(1)[0]);
    case OpKind::softmax:
      return softmax(op.inputs(1, 1)[0]);
    case OpKind::log_sum_exp:
      return log_sum_exp(op.inputs(1, 1)[0]);
    case OpKind::below_max:
      return below_max(op.inputs(1, 1)[0]);
    case OpKind::center:
      return center(op.inputs(1, 1)[0]);
    case OpKind::inverse_rms:
      return build_inverse_rms(op);
    case OpKind::take_label:
    case OpKind::put_label:
      return build_labels(op);
    case OpKind::stop_gradient:
      return stop_gradient(op.inputs(1, 1)[0]);
    case OpKind::host:
      reject("is computed by the host program");
  }
  reject("unknown kind");
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
  const OpReader op{json,
                    values,
                    built,
                    parse_name<OpKind>("kind", json.at("kind").as_string(), kKindCount),
                    read_shape(json.at("shape")),
                    parse_name<DType>("dtype", json.at("dtype").as_string(), 3)};
  const Tensor tensor = build(op);
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
