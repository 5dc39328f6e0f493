// Reading and writing safetensors.
#include "io/safetensors.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <set>

#include "base/error.h"
#include "io/json.h"

namespace backpass {
namespace {

static_assert(std::endian::native == std::endian::little, "elements are written as they lie in memory");

constexpr std::size_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the limit of the safetensors library
constexpr std::size_t kAlignment = 64;                  // of the first element within the file
constexpr const char* kMetadataKey = "__metadata__";

constexpr const char* kSafetensors = "safetensors";

[[noreturn]] void fail_tensor(const std::string& name, const std::string& what) {
  fail(kSafetensors, "tensor \"", name, "\": ", what);
}

constexpr std::pair<const char*, ElementType> kTypes[] = {
    {"F32", ElementType::float32},   {"F64", ElementType::float64}, {"F16", ElementType::float16},
    {"BF16", ElementType::bfloat16}, {"I8", ElementType::int8},     {"I16", ElementType::int16},
    {"I32", ElementType::int32},     {"I64", ElementType::int64},   {"U8", ElementType::uint8},
    {"U16", ElementType::uint16},    {"U32", ElementType::uint32},  {"U64", ElementType::uint64},
    {"BOOL", ElementType::boolean}};

const char* type_name(ElementType type) {
  return std::find_if(std::begin(kTypes), std::end(kTypes), [&](const auto& known) { return known.second == type; })
      ->first;
}

ElementType type_of(const std::string& name) {
  for (const auto& [known, type] : kTypes)
    if (name == known) return type;
  throw std::invalid_argument("dtype " + name + " is not supported");
}

JsonObject metadata_object(const Metadata& metadata) {
  JsonObject result;
  for (const auto& [key, value] : metadata) result.emplace_back(key, value);
  return result;
}

JsonObject describe(const TensorEntry& tensor, std::size_t begin) {
  JsonArray shape, offsets;
  for (const Dim dim : tensor.shape) shape.emplace_back(dim);
  offsets.emplace_back(begin);
  offsets.emplace_back(begin + tensor.bytes.size());
  JsonObject result;
  result.emplace_back("dtype", type_name(tensor.type));
  result.emplace_back("shape", std::move(shape));
  result.emplace_back("data_offsets", std::move(offsets));
  return result;
}

void check_writable(const std::vector<TensorEntry>& tensors) {
  std::set<std::string_view> names = {kMetadataKey};
  for (const TensorEntry& tensor : tensors) {
    if (!names.insert(tensor.name).second) fail_tensor(tensor.name, "the name is taken");
    if (checked_bytes(tensor.type, tensor.shape) != tensor.bytes.size())
      fail_tensor(tensor.name, "bytes do not fit the shape");
  }
}

std::string write_header(const std::vector<TensorEntry>& tensors, const Metadata& metadata) {
  JsonObject header;
  if (!metadata.empty()) header.emplace_back(kMetadataKey, metadata_object(metadata));
  std::size_t begin = 0;
  for (const TensorEntry& tensor : tensors) {
    header.emplace_back(tensor.name, describe(tensor, begin));
    begin += tensor.bytes.size();
  }
  std::string text = write_json(std::move(header));
  const std::size_t end = kLengthBytes + text.size();
  text.append((kAlignment - end % kAlignment) % kAlignment, ' ');  // the format allows spaces behind the header
  if (text.size() > kMaxHeaderBytes) fail(kSafetensors, "the header would exceed 100 MB");
  return text;
}

std::uint64_t read_length(std::span<const std::byte> bytes) {
  if (bytes.size() < kLengthBytes) fail(kSafetensors, "the file is too short");
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i) length |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
  if (length > kMaxHeaderBytes)
    fail(kSafetensors, "header length ", length, " exceeds 100 MB: not a safetensors file?");
  if (length > bytes.size() - kLengthBytes) fail(kSafetensors, "the file ends within its header");
  return length;
}

Metadata read_metadata(JsonReader& header) {
  Metadata result;
  header.object([&](const std::string& key) { result[key] = header.string(); });
  return result;
}

Shape read_shape(const JsonArray& dims) {
  Shape shape;
  for (const JsonValue& dim : dims) shape.push_back(dim.as_int());
  return shape;
}

std::span<const std::byte> read_bytes(const JsonArray& offsets, std::span<const std::byte> data) {
  if (offsets.size() != 2) throw std::invalid_argument("data_offsets must be two integers");
  const Dim begin = offsets[0].as_int(), end = offsets[1].as_int();
  if (begin < 0 || end < begin) throw std::invalid_argument("data_offsets are not in order");
  if (static_cast<std::uint64_t>(end) > data.size()) throw std::invalid_argument("the file ends within the elements");
  return data.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
}

TensorEntry read_tensor(const std::string& name, const JsonValue& value, std::span<const std::byte> data) try {
  TensorEntry tensor{name, type_of(value.at("dtype").as_string()), read_shape(value.at("shape").as_array()),
                     read_bytes(value.at("data_offsets").as_array(), data)};
  if (value.as_object().size() != 3) throw std::invalid_argument("has keys beside dtype, shape and data_offsets");
  const std::size_t expected = checked_bytes(tensor.type, tensor.shape);
  if (expected == tensor.bytes.size()) return tensor;
  throw std::invalid_argument("shape needs " + std::to_string(expected) + " bytes, data_offsets hold " +
                              std::to_string(tensor.bytes.size()));
} catch (const std::invalid_argument& error) {
  throw std::invalid_argument("tensor \"" + name + "\": " + error.what());
}

// Every byte belongs to one tensor: nothing can hide in a file, and no two tensors share bytes.
void check_cover(const std::vector<TensorEntry>& tensors, std::span<const std::byte> data) {
  const std::byte* at = data.data();
  for (const TensorEntry& tensor : tensors) {
    if (tensor.bytes.data() != at) fail_tensor(tensor.name, "its bytes overlap others, or leave a hole");
    at += tensor.bytes.size();
  }
  if (at != data.data() + data.size()) fail(kSafetensors, "there are bytes that belong to no tensor");
}

SafetensorsFile read_header(std::span<const std::byte> bytes, std::span<const std::byte> data) try {
  if (bytes.empty() || bytes[0] != std::byte{'{'}) throw std::invalid_argument("does not begin with '{'");
  JsonReader header({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  SafetensorsFile file;
  header.object([&](const std::string& key) {
    if (key == kMetadataKey)
      file.metadata = read_metadata(header);
    else
      file.tensors.push_back(read_tensor(key, header.value(), data));
  });
  header.end();
  return file;
} catch (const std::invalid_argument& error) {
  fail(kSafetensors, "header: ", error.what());
}

}  // namespace

std::size_t checked_bytes(ElementType type, const Shape& shape) {
  constexpr auto kLimit = static_cast<std::uint64_t>(std::numeric_limits<std::ptrdiff_t>::max());
  std::uint64_t bytes = size_of(type);
  for (const Dim dim : shape) {
    if (dim < 0) throw std::invalid_argument("a dimension is negative");
    if (dim > 0 && bytes > kLimit / static_cast<std::uint64_t>(dim)) {
      throw std::invalid_argument("the number of elements overflows");
    }
    bytes *= static_cast<std::uint64_t>(dim);
  }
  return static_cast<std::size_t>(bytes);
}

std::string write_safetensors(const std::vector<TensorEntry>& tensors, const Metadata& metadata) {
  check_writable(tensors);
  const std::string header = write_header(tensors, metadata);
  std::size_t size = kLengthBytes + header.size();
  for (const TensorEntry& tensor : tensors) size += tensor.bytes.size();
  std::string out;
  out.reserve(size);
  for (std::size_t i = 0; i < kLengthBytes; ++i) out += static_cast<char>((header.size() >> (8 * i)) & 0xff);
  out += header;
  for (const TensorEntry& tensor : tensors) {
    out.append(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
  }
  return out;
}

const std::string& require(const char* who, const Metadata& metadata, const char* key) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) fail(who, "metadata \"", key, "\" is missing");
  return found->second;
}

SafetensorsFile parse_safetensors(std::span<const std::byte> bytes) {
  const auto length = static_cast<std::size_t>(read_length(bytes));
  const std::span<const std::byte> data = bytes.subspan(kLengthBytes + length);
  SafetensorsFile file = read_header(bytes.subspan(kLengthBytes, length), data);
  // An empty tensor lies before the one that begins where it does.
  std::sort(file.tensors.begin(), file.tensors.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return std::pair(a.bytes.data(), a.bytes.size()) < std::pair(b.bytes.data(), b.bytes.size());
  });
  check_cover(file.tensors, data);
  return file;
}

}  // namespace backpass
