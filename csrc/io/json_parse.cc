// The JSON reader: one pass over the text, recursion bounded by kMaxJsonDepth.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <locale>
#include <sstream>
#include <stdexcept>

#include "io/json.h"
#include "io/utf8.h"

namespace backpass {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// False where the value is out of range; not every standard library has from_chars for doubles.
bool read_double(std::string_view digits, double& value) {
#ifdef __cpp_lib_to_chars
  return std::from_chars(digits.data(), digits.data() + digits.size(), value).ec == std::errc();
#else
  std::istringstream stream{std::string(digits)};
  stream.imbue(std::locale::classic());
  return static_cast<bool>(stream >> value) && std::isfinite(value);
#endif
}

// By sorting: a file with a million keys must not take a million times a million comparisons.
const std::string* duplicate(std::vector<std::string>& keys) {
  std::sort(keys.begin(), keys.end());
  const auto twin = std::adjacent_find(keys.begin(), keys.end());
  return twin == keys.end() ? nullptr : &*twin;
}

}  // namespace

void JsonReader::fail(const std::string& what) const {
  throw std::invalid_argument("JSON, position " + std::to_string(at_) + ": " + what);
}

bool JsonReader::take(char c) {
  if (at_ >= text_.size() || text_[at_] != c) return false;
  ++at_;
  return true;
}

void JsonReader::expect(char c) {
  if (!take(c)) fail(std::string("expected '") + c + "'");
}

void JsonReader::skip_space() { at_ = std::min(text_.find_first_not_of(" \t\n\r", at_), text_.size()); }

void JsonReader::open(char bracket) {
  skip_space();
  expect(bracket);
  if (++depth_ > kMaxJsonDepth) fail("nested too deeply");
  skip_space();
}

void JsonReader::object(const std::function<void(const std::string& key)>& member) {
  open('{');
  std::vector<std::string> keys;
  if (!take('}')) {
    do {
      keys.push_back(string());
      skip_space();
      expect(':');
      member(keys.back());
      skip_space();
    } while (take(','));
    expect('}');
  }
  if (const std::string* key = duplicate(keys)) fail("duplicate key \"" + *key + "\"");
  --depth_;
}

void JsonReader::array(const std::function<void()>& element) {
  open('[');
  if (!take(']')) {
    do {
      element();
      skip_space();
    } while (take(','));
    expect(']');
  }
  --depth_;
}

void JsonReader::end() {
  skip_space();
  if (at_ != text_.size()) fail("text behind the value");
}

JsonValue JsonReader::value() {
  values_ = 0;
  return piece();
}

JsonValue JsonReader::piece() {
  if (++values_ > kMaxJsonValues) fail("too many values");
  skip_space();
  switch (peek()) {
    case '{': {
      JsonObject members;
      object([&](const std::string& key) { members.emplace_back(key, piece()); });
      return members;
    }
    case '[': {
      JsonArray values;
      array([&] { values.push_back(piece()); });
      return values;
    }
    case '"':
      return string();
    case 't':
      return literal("true", true);
    case 'f':
      return literal("false", false);
    case 'n':
      return literal("null", JsonValue());
    default:
      return number();
  }
}

JsonValue JsonReader::literal(std::string_view word, JsonValue result) {
  if (text_.substr(at_, word.size()) != word) fail("expected a value");
  at_ += word.size();
  return result;
}

std::size_t JsonReader::digits() {
  const std::size_t begin = at_;
  while (is_digit(peek())) ++at_;
  if (at_ == begin) fail("expected a value");
  return at_ - begin;
}

JsonValue JsonReader::number() {
  const std::size_t begin = at_;
  take('-');
  const bool leading_zero = peek() == '0';
  if (digits() > 1 && leading_zero) fail("a number with a leading zero");
  bool integer = true;
  if (take('.')) integer = false, digits();
  if (take('e') || take('E')) {
    integer = false;
    if (!take('+')) take('-');
    digits();
  }
  return convert(text_.substr(begin, at_ - begin), integer);
}

JsonValue JsonReader::convert(std::string_view digits, bool integer) const {
  if (integer) {
    std::int64_t value = 0;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), value).ec == std::errc()) return value;
  } else {
    double value = 0;
    if (read_double(digits, value)) return value;
  }
  fail("number out of range");
}

std::string JsonReader::string() {
  skip_space();
  if (!take('"')) fail("expected a string");
  std::string result;
  for (;;) {
    if (at_ >= text_.size()) fail("a string without end");
    const auto c = static_cast<unsigned char>(text_[at_]);
    if (take('"')) return result;
    if (c < 0x20) fail("a control character in a string");
    if (take('\\')) {
      escape(result);
    } else {
      const std::size_t length = utf8_length(text_.substr(at_));
      if (length == 0) fail("invalid UTF-8");
      result += text_.substr(at_, length);
      at_ += length;
    }
  }
}

void JsonReader::escape(std::string& result) {
  constexpr std::string_view kNames = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
  if (take('u')) return append_utf8(result, code_point());
  const std::size_t which = at_ < text_.size() ? kNames.find(text_[at_]) : kNames.npos;
  if (which == kNames.npos) fail("an unknown escape");
  result += kMeanings[which];
  ++at_;
}

// Characters beyond 0xffff are written as two escapes, a surrogate pair.
std::uint32_t JsonReader::code_point() {
  const std::uint32_t high = hex4();
  if (high < 0xd800 || high > 0xdfff) return high;
  if (high > 0xdbff || !take('\\') || !take('u')) fail("half a surrogate pair");
  const std::uint32_t low = hex4();
  if (low < 0xdc00 || low > 0xdfff) fail("half a surrogate pair");
  return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

std::uint32_t JsonReader::hex4() {
  std::uint32_t result = 0;
  const std::string_view digits = text_.substr(at_, 4);
  const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), result, 16).ptr;
  if (digits.size() < 4 || end != digits.data() + 4) fail("expected four hexadecimal digits");
  at_ += 4;
  return result;
}

}  // namespace backpass
