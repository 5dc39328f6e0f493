// The attributes of an op as members of a JSON object.
#pragma once

#include "base/error.h"
#include "graph/op_row.h"
#include "io/json.h"

namespace backpass {

// What stands for an initializer written by hand: the file has the values, not what drew them.
inline constexpr const char* kCustom = "custom";

// Those that the kind has, and nothing else. Throws std::invalid_argument for what a file cannot hold.
void write_op_fields(JsonObject& json, const Op& op);

// Sets them. `values`, of which there may be many, are there already. Throws std::invalid_argument where one is missing
// or out of range.
void read_op_fields(const JsonValue& json, Op& op);

JsonArray shape_to_json(std::span<const Dim> shape);
Shape shape_from_json(const JsonValue& json);  // of at most 2^40 elements

template <class... Parts>
[[noreturn]] void reject(const Parts&... parts) {
  fail("graph", parts...);
}

// The value of an enum with `count` values whose name is `text`.
template <class Enum>
Enum parse_name(const char* what, const std::string& text, int count) {
  for (int i = 0; i < count; ++i)
    if (text == name(static_cast<Enum>(i))) return static_cast<Enum>(i);
  reject("unknown ", what, " \"", text, '"');
}

}  // namespace backpass
