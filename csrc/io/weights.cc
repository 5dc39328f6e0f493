// Weights from elsewhere: by name, cast to the network's type, all or nothing.
#include <cstring>
#include <set>

#include "base/convert.h"
#include "base/error.h"
#include "io/files.h"
#include "io/model_file.h"
#include "nn/network_impl.h"
#include "plan/boundary.h"

namespace backpass {
namespace {

constexpr const char* kLoadWeights = "load_weights";
constexpr std::size_t kShownNames = 16;  // in a message

// Calls f(elements, offset, count) for each dense row of `from`; offset counts the elements before it.
template <class F>
void for_each_row(const ParameterInfo& info, const ArrayView& from, F f) {
  const Dim rows = from.rows(), count = rows > 0 ? info.size / rows : 0;
  for (Dim row = 0; row < rows; ++row)
    f(static_cast<const std::byte*>(from.data) + row * from.row_stride, row * count, count);
}

void check(const ParameterInfo& info, const ArrayView& from, DType dtype) {
  if (from.shape != info.shape)
    fail(kLoadWeights, '"', info.name, "\" must have shape ", to_string(info.shape), ", got ", to_string(from.shape));
  check_present(info.name, from);
  for_each_row(info, from, [&](const std::byte* row, Dim, Dim count) {
    if (overflows(row, from.type, dtype, count))
      fail(kLoadWeights, '"', info.name, "\" has a number that is too large for ", name(dtype));
  });
}

// What can be loaded: parameters and states.
std::vector<ParameterInfo> kept_by(const Network::Impl& net) {
  std::vector<ParameterInfo> kept = net.parameters;
  kept.insert(kept.end(), net.states.begin(), net.states.end());
  return kept;
}

// PyTorch's batch normalization also counts its batches, which changes nothing that we compute.
bool is_counter(const std::string& name) { return name.ends_with("num_batches_tracked"); }

// The names that were given, and why they may be others: PyTorch counts activations as layers.
std::string found_names(const std::map<std::string, ArrayView>& arrays, std::size_t wanted) {
  std::string names;
  std::size_t count = 0, shown = 0;
  for (const auto& entry : arrays) {
    if (is_counter(entry.first)) continue;
    if (++count > kShownNames) continue;
    names += (shown++ > 0 ? ", " : "") + entry.first;
  }
  if (count > shown) names += ", ... (" + std::to_string(count) + " in all)";
  const bool shifted = count > 0 && count == wanted;
  return (names.empty() ? "nothing" : names) +
         (shifted ? "; an activation that is a layer of its own there, and an argument of Dense here, shifts the "
                    "numbers: make it a layer here too, or rename"
                  : "");
}

void check(const Network::Impl& net, const std::map<std::string, ArrayView>& arrays) {
  std::set<std::string> kept;
  for (const ParameterInfo& info : kept_by(net)) {
    kept.insert(info.name);
    const auto found = arrays.find(info.name);
    if (found == arrays.end())
      fail(kLoadWeights, '"', info.name, "\" is missing; found ", found_names(arrays, kept_by(net).size()));
    check(info, found->second, net.dtype);
  }
  for (const auto& entry : arrays)
    if (kept.count(entry.first) == 0 && !is_counter(entry.first))
      fail(kLoadWeights, '"', entry.first, "\" is no parameter of this network");
}

}  // namespace

void Network::load_weights(const std::map<std::string, ArrayView>& arrays) {
  const InUse use(impl_->users, Use::changes);
  check(*impl_, arrays);
  const AlignedBuffer cast(impl_->value_bytes());  // the arrays may be views of these very weights
  const std::size_t size = size_of(dtype());
  for (const ParameterInfo& info : kept_by(*impl_)) {
    const ArrayView& from = arrays.at(info.name);
    for_each_row(info, from, [&](const std::byte* row, Dim offset, Dim count) {
      convert(cast.data() + static_cast<std::size_t>(info.offset + offset) * size, dtype(), row, from.type, count);
    });
  }
  impl_->write_values(cast.data());
  impl_->note_training();
}

void Network::load_weights(const std::string& path) {
  const std::string bytes = read_file(path);
  std::map<std::string, ArrayView> arrays;
  for (const TensorEntry& tensor : backpass::read_weights(std::as_bytes(std::span(bytes))))
    arrays.emplace(tensor.name, ArrayView(tensor.bytes.data(), tensor.type, tensor.shape));
  load_weights(arrays);
}

std::vector<std::pair<std::string, Array>> Network::read_weights(const std::string& path) {
  const std::string bytes = read_file(path);
  std::vector<std::pair<std::string, Array>> arrays;
  for (const TensorEntry& tensor : backpass::read_weights(std::as_bytes(std::span(bytes)))) {
    const DType dtype = tensor.type == ElementType::float64 ? DType::float64 : DType::float32;
    const Dim count = element_count(tensor.shape);
    Array& array = arrays.emplace_back(tensor.name, Array(dtype, tensor.shape)).second;
    convert(static_cast<std::byte*>(array.data()), dtype, tensor.bytes.data(), tensor.type, count);
  }
  return arrays;
}

}  // namespace backpass
