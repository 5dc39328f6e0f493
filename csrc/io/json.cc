// JSON values: typed access and writing.
#include "io/json.h"

#include <array>
#include <charconv>
#include <cmath>
#include <stdexcept>

#include "io/utf8.h"

namespace backpass {
namespace {

constexpr std::array<const char*, 7> kTypeNames = {"null",     "a boolean", "an integer", "a number",
                                                   "a string", "an array",  "an object"};

void write_character(std::string& out, char c) {
  constexpr char kHex[] = "0123456789abcdef";
  if (c == '"' || c == '\\') {
    out += '\\';
    out += c;
  } else if (static_cast<unsigned char>(c) < 0x20) {
    out += "\\u00";
    out += kHex[c >> 4];
    out += kHex[c & 15];
  } else {
    out += c;
  }
}

void write_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) throw std::invalid_argument("a string is not valid UTF-8");  // it could not be read back
    for (const char c : text.substr(0, length)) write_character(out, c);
    text.remove_prefix(length);
  }
  out += '"';
}

void write_double(std::string& out, double value) {
  if (!std::isfinite(value)) throw std::invalid_argument("JSON has no number for inf or nan");
  std::array<char, 32> text;
  const auto result = std::to_chars(text.data(), text.data() + text.size(), value);
  const std::string_view digits(text.data(), static_cast<std::size_t>(result.ptr - text.data()));
  out += digits;
  if (digits.find_first_of(".e") == std::string_view::npos) out += ".0";  // or it would come back as an integer
}

struct Writer {
  std::string& out;

  void operator()(std::nullptr_t) { out += "null"; }
  void operator()(bool value) { out += value ? "true" : "false"; }
  void operator()(std::int64_t value) { out += std::to_string(value); }
  void operator()(double value) { write_double(out, value); }
  void operator()(const std::string& value) { write_string(out, value); }
  void operator()(const JsonArray& values) {
    out += '[';
    for (const JsonValue& value : values) {
      if (&value != values.data()) out += ',';
      value.visit(*this);
    }
    out += ']';
  }
  void operator()(const JsonObject& members) {
    out += '{';
    for (const auto& member : members) {
      if (&member != members.data()) out += ',';
      write_string(out, member.first);
      out += ':';
      member.second.visit(*this);
    }
    out += '}';
  }
};

template <class T>
const T& get(const JsonValue& value, const T* content, const char* expected) {
  if (content == nullptr) {
    throw std::invalid_argument(std::string("expected ") + expected + ", found " + value.type_name());
  }
  return *content;
}

}  // namespace

const char* JsonValue::type_name() const { return kTypeNames[value_.index()]; }

bool JsonValue::as_bool() const { return get(*this, std::get_if<bool>(&value_), "a boolean"); }

std::int64_t JsonValue::as_int() const { return get(*this, std::get_if<std::int64_t>(&value_), "an integer"); }

double JsonValue::as_double() const {
  if (is<std::int64_t>()) return static_cast<double>(as_int());
  return get(*this, std::get_if<double>(&value_), "a number");
}

const std::string& JsonValue::as_string() const { return get(*this, std::get_if<std::string>(&value_), "a string"); }

const JsonArray& JsonValue::as_array() const { return get(*this, std::get_if<JsonArray>(&value_), "an array"); }

const JsonObject& JsonValue::as_object() const { return get(*this, std::get_if<JsonObject>(&value_), "an object"); }

const JsonValue* JsonValue::find(std::string_view key) const {
  for (const auto& [name, value] : as_object()) {
    if (name == key) return &value;
  }
  return nullptr;
}

const JsonValue& JsonValue::at(std::string_view key) const {
  const JsonValue* value = find(key);
  if (value == nullptr) throw std::invalid_argument("\"" + std::string(key) + "\" is missing");
  return *value;
}

std::string write_json(const JsonValue& value) {
  std::string out;
  Writer writer{out};
  value.visit(writer);
  return out;
}

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

}  // namespace backpass
