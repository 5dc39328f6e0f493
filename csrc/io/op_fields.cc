// Attributes by the rows of kinds of op: the kind says which there are and how they are called.
#include "io/op_fields.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "nn/activation.h"
#include "nn/initialize.h"

namespace backpass {
namespace {

// Far beyond any network; it keeps products of dimensions within int64.
constexpr Dim kMaxElements = Dim{1} << 40;

struct FieldWriter {
  JsonObject& json;
  const Op& op;
  const char* key;

  void operator()(double Op::*member) const { json.emplace_back(key, number_to_json(op.*member)); }
  void operator()(bool Op::*member) const { json.emplace_back(key, op.*member); }
  void operator()(std::uint32_t Op::*member) const { json.emplace_back(key, op.*member); }
  void operator()(std::string Op::*member) const { json.emplace_back(key, op.*member); }
  void operator()(std::vector<Dim> Op::*member) const { json.emplace_back(key, shape_to_json(op.*member)); }
  void operator()(std::optional<Dim> Op::*member) const { json.emplace_back(key, *(op.*member)); }
  void operator()(std::vector<double> Op::*member) const {
    JsonArray values;
    for (const double value : op.*member) values.push_back(number_to_json(value));
    json.emplace_back(key, std::move(values));
  }
  void operator()(Elementwise Op::*member) const {
    json.emplace_back(key, name(op.*member));
    if (has_alpha(op.*member)) json.emplace_back("alpha", number_to_json(op.alpha));
  }
  void operator()(Precision Op::*member) const { json.emplace_back(key, name(op.*member)); }
  void operator()(Initializer Op::*member) const {
    const Initializer& initializer = op.*member;
    json.emplace_back(key, initializer.fill ? kCustom : initializer.name);
    json.emplace_back("gain", number_to_json(initializer.gain));
  }
};

struct FieldReader {
  const JsonValue& json;
  Op& op;
  const OpField& field;

  const JsonValue& at() const { return json.at(field.name); }

  void operator()(double Op::*member) const { op.*member = number_from_json(at()); }
  void operator()(bool Op::*member) const { op.*member = at().as_bool(); }
  void operator()(std::uint32_t Op::*member) const {
    const std::int64_t value = at().as_int();
    if (!std::in_range<std::uint32_t>(value)) reject(field.name, " is out of range");
    op.*member = static_cast<std::uint32_t>(value);
  }
  void operator()(std::string Op::*member) const { op.*member = at().as_string(); }
  void operator()(std::vector<Dim> Op::*member) const {
    const Shape dims = shape_from_json(at());
    if (field.form != OpField::Form::sizes && std::count(dims.begin(), dims.end(), kBatch) != 0)
      reject("dims are not dimensions of a shape");
    expect_dims(dims.size(), OpField::Form::one_dim, 1, 1);
    expect_dims(dims.size(), OpField::Form::range, 3, 4);
    (op.*member).assign(dims.begin(), dims.end());
  }
  void expect_dims(std::size_t got, OpField::Form form, std::size_t least, std::size_t most) const {
    if (field.form == form && (got < least || got > most)) reject("takes ", least, " dims, got ", got);
  }
  void operator()(std::optional<Dim> Op::*member) const { op.*member = at().as_int(); }
  void operator()(std::vector<double> Op::*) const {}
  void operator()(Elementwise Op::*member) const {
    op.*member = parse_name<Elementwise>("function", at().as_string(), kElementwiseCount);
    if (has_alpha(op.*member)) op.alpha = number_from_json(json.at("alpha"));
  }
  void operator()(Precision Op::*member) const { op.*member = parse_precision(at().as_string()); }
  void operator()(Initializer Op::*member) const {
    const double gain = number_from_json(json.at("gain"));
    const std::string& rule = at().as_string();
    op.*member = rule == kCustom ? forgotten_initializer(gain) : Initializer(rule, gain);
    check_initializer(name(op.kind), op.*member);
  }
};

// Whether an attribute that may be left out is what it is in a new op.
bool is_left_out(const Op& op, const OpField& field) {
  static const Op fresh;
  return field.form == OpField::Form::optional && std::visit(
                                                      [&](auto member) {
                                                        if constexpr (requires { op.*member == fresh.*member; })
                                                          return op.*member == fresh.*member;
                                                        return false;
                                                      },
                                                      field.member);
}

}  // namespace

void write_op_fields(JsonObject& json, const Op& op) {
  if (!row_of(op).rebuild)
    reject('"', op.host ? op.host->name : name(op.kind), "\" ",
           op.host ? "is computed by the host program" : "is part of the program", ", so it cannot be saved; ",
           "a layer or loss that composes operations can");
  for (const OpField& field : row_of(op).fields)
    if (!is_left_out(op, field)) std::visit(FieldWriter{json, op, field.name}, field.member);
}

void read_op_fields(const JsonValue& json, Op& op) {
  for (const OpField& field : row_of(op).fields) {
    const bool left_out = field.form == OpField::Form::optional && json.find(field.name) == nullptr;
    if (!left_out) std::visit(FieldReader{json, op, field}, field.member);
  }
}

JsonArray shape_to_json(std::span<const Dim> shape) {
  JsonArray json;
  for (const Dim dim : shape) json.push_back(dim == kBatch ? JsonValue("batch") : JsonValue(dim));
  return json;
}

Shape shape_from_json(const JsonValue& json) {
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

}  // namespace backpass
