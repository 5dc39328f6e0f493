// JSON: a value, a strict reader and a writer that loses nothing.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace backpass {

class JsonValue;
using JsonArray = std::vector<JsonValue>;
using JsonObject = std::vector<std::pair<std::string, JsonValue>>;  // in the order of the text

// Deeper nesting is refused, so that neither reading nor destruction can exhaust the stack.
inline constexpr int kMaxJsonDepth = 512;
// More values in one piece are refused: in memory each takes twenty times the two bytes that it has at least in a text.
inline constexpr int kMaxJsonValues = 1 << 20;

// Integers and floating-point numbers stay apart: 1 is an integer, 1.0 is not.
// The as_ functions throw std::invalid_argument where the value is of another type.
class JsonValue {
 public:
  JsonValue() = default;
  // By way of the value, for the reason that Attribute has (types.h).
  JsonValue(const JsonValue& other)
      : value_(std::visit([](auto value) { return Value(std::move(value)); }, other.value_)) {}
  JsonValue(JsonValue&& other) noexcept = default;
  JsonValue& operator=(JsonValue other) noexcept {
    value_ = std::move(other.value_);
    return *this;
  }
  template <std::same_as<bool> T>  // exactly bool: a pointer is none
  JsonValue(T value) : value_(value) {}
  template <std::integral T>
  requires(!std::same_as<T, bool>) JsonValue(T value) : value_(static_cast<std::int64_t>(value)) {}
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
  using Value = std::variant<std::nullptr_t, bool, std::int64_t, double, std::string, JsonArray, JsonObject>;
  Value value_ = nullptr;
};

// Reads a text from front to back; what is long is read member by member, so that its values are never in memory at
// once. RFC 8259 without exceptions: valid UTF-8, no duplicate key, nothing behind the value, integers in the range of
// int64, doubles finite. Everything throws std::invalid_argument with the position in bytes.
class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}

  // What comes must be an object (an array): calls for each member (element), which the call must read.
  void object(const std::function<void(const std::string& key)>& member);
  void array(const std::function<void()>& element);
  std::string string();
  JsonValue value();  // whatever comes, of at most kMaxJsonValues values
  void end();         // nothing may come

 private:
  [[noreturn]] void fail(const std::string& what) const;
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c);
  void expect(char c);
  void skip_space();
  void open(char bracket);
  JsonValue piece();
  JsonValue literal(std::string_view word, JsonValue result);
  std::size_t digits();
  JsonValue number();
  JsonValue convert(std::string_view digits, bool integer) const;
  void escape(std::string& result);
  std::uint32_t code_point();
  std::uint32_t hex4();

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0, values_ = 0;
};

// Without spaces; doubles are the shortest text that reads back as the same bits.
// Throws std::invalid_argument where a double is not finite or a string not UTF-8.
std::string write_json(const JsonValue& value);

// A number that may be "inf", "-inf" or "nan", which JSON has no numbers for.
JsonValue number_to_json(double value);
double number_from_json(const JsonValue& json);
std::vector<double> read_numbers(JsonReader& reader);  // an array of them

}  // namespace backpass
