// What the tests of file formats share: a check that counts, and inputs damaged in every way.
#pragma once

#include <cstdio>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "io/json.h"

inline int failures = 0;

inline void check(bool condition, const char* what, int line) {
  if (condition) return;
  ++failures;
  std::printf("line %d: %s\n", line, what);
}
#define CHECK(condition) check(condition, #condition, __LINE__)

inline backpass::JsonValue parse_json(const std::string& text) {
  backpass::JsonReader reader(text);
  backpass::JsonValue value = reader.value();
  reader.end();
  return value;
}

inline std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

// Whether `call` throws std::invalid_argument with `part` in its message; any other exception ends the test.
template <class Call>
bool refuses(Call call, const std::string& part = "") {
  try {
    call();
  } catch (const std::invalid_argument& error) {
    if (std::string(error.what()).find(part) != std::string::npos) return true;
    std::printf("unexpected message: %s\n", error.what());
  }
  return false;
}

// Runs `read` on a copy of exactly that size, so that a sanitizer sees a read behind the end. Whether it succeeded.
template <class Read>
bool survives(Read read, const std::string& text) {
  const std::vector<char> exact(text.begin(), text.end());
  return !refuses([&] { read(std::as_bytes(std::span(exact))); });
}

// Cuts `text` at every `stride`-th length and replaces every `stride`-th byte by several others. No cut must be
// accepted; a replaced byte may give another valid file, so what counts is that nothing but std::invalid_argument
// comes out.
template <class Read>
void damage(Read read, const std::string& text, std::size_t stride = 1) {
  for (std::size_t size = 0; size < text.size(); size += stride) CHECK(!survives(read, text.substr(0, size)));
  for (std::size_t i = 0; i < text.size(); i += stride) {
    for (const char mask : {'\x01', '\x04', '\x10', '\x7f', '\x80'}) {
      std::string changed = text;
      changed[i] = static_cast<char>(changed[i] ^ mask);
      survives(read, changed);
    }
  }
}
