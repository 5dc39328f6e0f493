// UTF-8: validating and encoding one character; showing what may not be UTF-8.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace backpass {

// Bytes of the first character of a text; 0 where it is cut off, overlong, a surrogate or beyond U+10FFFF.
inline std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i])); };
  if (text.empty()) return 0;
  const std::uint32_t lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 0;
  if (length == 0 || lead > 0xf7 || text.size() < length) return 0;
  std::uint32_t code = lead & (0x7fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = (code << 6) | (byte(i) & 0x3f);
  }
  constexpr std::uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  return code >= kSmallest[length] && code <= 0x10ffff && !surrogate ? length : 0;
}

inline void append_utf8(std::string& out, std::uint32_t code) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  const auto tail = [&](int shift) { put(0x80 | ((code >> shift) & 0x3f)); };
  if (code < 0x80) return put(code);
  if (code < 0x800) return put(0xc0 | (code >> 6)), tail(0);
  if (code < 0x10000) return put(0xe0 | (code >> 12)), tail(6), tail(0);
  put(0xf0 | (code >> 18)), tail(12), tail(6), tail(0);
}

// A text for messages: bytes that are no UTF-8, and control characters, as "\\xff".
inline std::string printable(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const auto byte = static_cast<unsigned char>(text[0]);
    if (length > 0 && byte >= 0x20)
      out += text.substr(0, length);
    else
      out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    text.remove_prefix(length > 0 ? length : 1);
  }
  return out;
}

}  // namespace backpass
