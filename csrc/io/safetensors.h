// The safetensors format: an 8-byte little-endian length, a JSON header, the elements
// (github.com/huggingface/safetensors).
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "backpass/types.h"

namespace backpass {

// A tensor of a file. The bytes belong to somebody else and may be unaligned: copy them out.
struct TensorEntry {
  std::string name;
  ElementType type = ElementType::float32;
  Shape shape;
  std::span<const std::byte> bytes;  // dense, row-major, little-endian
};

using Metadata = std::map<std::string, std::string>;

// Throws std::invalid_argument in the name of `who` where the key is missing.
const std::string& require(const char* who, const Metadata& metadata, const char* key);

struct SafetensorsFile {
  std::vector<TensorEntry> tensors;  // in the order of their elements; views into the parsed bytes
  Metadata metadata;
};

// Throws std::invalid_argument where two names are equal or bytes and shape do not fit.
std::string write_safetensors(const std::vector<TensorEntry>& tensors, const Metadata& metadata = {});

// Trusts nothing: whatever the bytes are, the result is a valid file or std::invalid_argument.
SafetensorsFile parse_safetensors(std::span<const std::byte> bytes);

// The size of a tensor. Throws std::invalid_argument where a dimension is negative or the product overflows.
std::size_t checked_bytes(ElementType type, const Shape& shape);

}  // namespace backpass
