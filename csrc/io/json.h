// JSON: a value, a strict parser and a writer that loses nothing.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace backpass {

class JsonValue;
using JsonArray = std::vector<JsonValue>;
using JsonObject = std::vector<std::pair<std::string, JsonValue>>;  // in the order of the text

// Deeper nesting is refused, so that neither parsing nor destruction can exhaust the stack.
inline constexpr int kMaxJsonDepth = 96;

// Integers and floating-point numbers stay apart: 1 is an integer, 1.0 is not.
// The as_ functions throw std::invalid_argument where the value is of another type.
class JsonValue {
 public:
  JsonValue() = default;
  template <std::same_as<bool> T>  // exactly bool: a pointer is none
  JsonValue(T value) : value_(value) {}
  template <std::integral T>
    requires(!std::same_as<T, bool>)
  JsonValue(T value) : value_(static_cast<std::int64_t>(value)) {}
  JsonValue(double value) : value_(value) {}
  JsonValue(const char* value) : value_(std::string(value)) {}
  JsonValue(std::string value) : value_(std::move(value)) {}
  JsonValue(JsonArray value) : value_(std::move(value)) {}
  JsonValue(JsonObject value) : value_(std::move(value)) {}

  template <class T>
  bool is() const {
    return std::holds_alternative<T>(value_);
  }
  const char* type_name() const;  // "an integer"

  bool as_bool() const;
  std::int64_t as_int() const;
  double as_double() const;  // of an integer too
  const std::string& as_string() const;
  const JsonArray& as_array() const;
  const JsonObject& as_object() const;

  const JsonValue* find(std::string_view key) const;  // of an object; null where there is none
  const JsonValue& at(std::string_view key) const;    // throws std::invalid_argument that names the key

  template <class Visitor>
  void visit(Visitor& visitor) const {
    std::visit(visitor, value_);
  }
  bool operator==(const JsonValue& other) const = default;

 private:
  std::variant<std::nullptr_t, bool, std::int64_t, double, std::string, JsonArray, JsonObject> value_ = nullptr;
};

// RFC 8259 without exceptions: valid UTF-8, no duplicate key, nothing behind the value, integers in the range of
// int64, doubles finite. Throws std::invalid_argument with the position in bytes.
JsonValue parse_json(std::string_view text);

// Without spaces; doubles are the shortest text that reads back as the same bits.
// Throws std::invalid_argument where a double is not finite or a string not UTF-8.
std::string write_json(const JsonValue& value);

}  // namespace backpass
