// Checkpoints as files: safetensors whose metadata tell where the fit is.
#include "backpass/checkpoint.h"

#include <cstring>
#include <optional>

#include "base/error.h"
#include "io/checkpoint_json.h"
#include "io/files.h"
#include "io/graph_json.h"
#include "io/model_file.h"
#include "io/safetensors.h"
#include "nn/network_impl.h"

namespace backpass {
namespace {

constexpr const char* kCheckpoint = "checkpoint";
constexpr int kVersion = 1;
// Names of tensors begin with what they belong to.
const std::string kNetwork = "network", kOptimizer = "optimizer/", kGathered = "gathered/", kNotes = "notes/";

std::span<const std::byte> bytes_of(const void* data, std::size_t size) {
  return {static_cast<const std::byte*>(data), size};
}

TensorEntry entry(std::string name, const Array& array) {
  return {std::move(name), element_type(array.dtype()), array.shape(), bytes_of(array.data(), array.bytes())};
}

void add_slots(std::vector<TensorEntry>& tensors, const OptimizerState& state) {
  for (const auto& [slot, arrays] : state.slots)
    for (const auto& [parameter, array] : arrays) tensors.push_back(entry(kOptimizer + slot + "/" + parameter, array));
}

Array to_array(const TensorEntry& tensor) {
  constexpr DType kTypes[] = {DType::float32, DType::float64, DType::int32};
  for (const DType dtype : kTypes) {
    if (element_type(dtype) != tensor.type) continue;
    Array array(dtype, tensor.shape);
    if (!tensor.bytes.empty()) std::memcpy(array.data(), tensor.bytes.data(), tensor.bytes.size());
    return array;
  }
  fail(kCheckpoint, "tensor \"", tensor.name, "\" is of a type that is not used there");
}

// Everything of a file, read and checked as far as it can be alone.
struct Content {
  Network network;
  CheckpointState state;
  CheckpointNotes notes;
};

// "optimizer/exp_avg/0.weight"
void read_slot(OptimizerState& state, const TensorEntry& tensor) {
  const std::string name = tensor.name.substr(kOptimizer.size());
  const std::size_t slash = name.find('/');
  if (slash == std::string::npos) fail(kCheckpoint, "tensor \"", tensor.name, "\" is of no parameter");
  state.slots[name.substr(0, slash)].emplace(name.substr(slash + 1), to_array(tensor));
}

void read_tensor(Content& content, const TensorEntry& tensor) {
  if (tensor.name == kNetwork)
    content.network = Network::deserialize(tensor.bytes);
  else if (tensor.name.starts_with(kOptimizer))
    read_slot(content.state.optimizer, tensor);
  else if (tensor.name.starts_with(kGathered))
    content.state.fit.gathered.push_back(to_array(tensor));
  else if (tensor.name.starts_with(kNotes))
    content.notes.arrays.emplace_back(tensor.name.substr(kNotes.size()),
                                      ArrayView(tensor.bytes.data(), tensor.type, tensor.shape));
  else
    fail(kCheckpoint, "tensor \"", tensor.name, "\" is unknown");
}

// An error within embedded JSON says where it is.
CheckpointState read_state(const std::string& text) try {
  return read_checkpoint_state(text);
} catch (const std::invalid_argument& error) {
  fail(kCheckpoint, "state: ", error.what());
}

Content read_content(const std::string& bytes) {
  const SafetensorsFile file = parse_safetensors(bytes_of(bytes.data(), bytes.size()));
  const auto format = file.metadata.find("format");
  if (format == file.metadata.end() || format->second != kCheckpointFormat)
    fail(kCheckpoint, "the file is no checkpoint of a fit");
  if (require(kCheckpoint, file.metadata, "format_version") != std::to_string(kVersion))
    fail(kCheckpoint, "the file has format version ", require(kCheckpoint, file.metadata, "format_version"),
         ", this backpass reads ", kVersion);
  Content content;
  content.state = read_state(require(kCheckpoint, file.metadata, "state"));
  content.notes.text = require(kCheckpoint, file.metadata, "notes");
  for (const TensorEntry& tensor : file.tensors) read_tensor(content, tensor);
  if (!content.network) fail(kCheckpoint, "the network is missing");
  return content;
}

std::optional<std::string> read_if_there(const std::string& path) try {
  return read_file(path);
} catch (const FileError& error) {
  if (error.code() != std::errc::no_such_file_or_directory) throw;
  return std::nullopt;
}

void check_same(const std::string& what, const std::string& written, const std::string& given) {
  if (written != given) fail("resume", what, " was ", written, " when the checkpoint was written, now it is ", given);
}

void check_belongs(const Content& content, const Network& network, const Optimizer& optimizer, const FitState& state) {
  if (content.network.dtype() != network.dtype() ||
      write_graph(content.network.graph()) != write_graph(network.graph()))
    fail("resume", "the checkpoint is of another network");
  check_same("the optimizer", content.state.settings, optimizer_settings(optimizer));
  const auto& written = content.state.fit.settings;  // in the same order; those of older files are fewer
  auto next = written.begin();
  for (const auto& [name, value] : state.settings)
    if (next != written.end() && next->first == name) check_same(name, next++->second, value);
  if (next != written.end()) fail("resume", "the checkpoint is of another fit");
  if (content.state.fit.history.columns.size() != state.history.columns.size())
    fail(kCheckpoint, "the history has ", content.state.fit.history.columns.size(), " columns");
  if (state.check) state.check(content.state.fit);
}

// What the file does not know: settings that older ones lack, and a learning rate that was changed since.
void renew(CheckpointState& written, const FitState& now) {
  FitState& fit = written.fit;
  if (fit.initial_rate && now.initial_rate && *fit.initial_rate != *now.initial_rate)
    written.optimizer.learning_rate = *now.initial_rate;
  fit.settings = now.settings;
  fit.initial_rate = now.initial_rate;
}

// Of networks of one graph.
void take_over(Network::Impl& to, const Network::Impl& from, const CheckpointState& state) {
  to.copy_values(from);
  to.seed = from.seed;
  to.step = state.step;
  to.epoch = state.epoch;
}

}  // namespace

void write_checkpoint(const std::string& path, const Network& network, const Optimizer& optimizer,
                      const FitState& state, const CheckpointNotes& notes) {
  const InUse use(network.impl().users, Use::calls_back);  // its parts are of one time
  const CheckpointState all{state, optimizer.state_dict(), optimizer_settings(optimizer), network.impl().step,
                            network.impl().epoch};
  const std::string model = network.serialize();
  std::vector<TensorEntry> tensors = {
      {kNetwork, ElementType::uint8, {static_cast<Dim>(model.size())}, bytes_of(model.data(), model.size())}};
  add_slots(tensors, all.optimizer);
  for (std::size_t i = 0; i < state.gathered.size(); ++i)
    tensors.push_back(entry(kGathered + std::to_string(i), state.gathered[i]));
  for (const auto& [name, view] : notes.arrays)
    tensors.push_back({kNotes + name, view.type, view.shape,
                       bytes_of(view.data, static_cast<std::size_t>(element_count(view.shape)) * size_of(view.type))});
  replace_file(path, write_safetensors(tensors, {{"format", kCheckpointFormat},
                                                 {"format_version", std::to_string(kVersion)},
                                                 {"state", write_json(checkpoint_to_json(all))},
                                                 {"notes", notes.text}}));
}

bool read_checkpoint(const std::string& path, Network& network, Optimizer& optimizer, FitState& state,
                     const std::function<void(const CheckpointNotes&)>& accept) {
  const InUse use(network.impl().users, Use::calls_back);
  const std::optional<std::string> bytes = read_if_there(path);
  if (!bytes) return false;
  Content content = read_content(*bytes);
  check_belongs(content, network, optimizer, state);
  renew(content.state, state);
  const OptimizerState before = optimizer.state_dict();
  optimizer.load_state_dict(content.state.optimizer);
  try {
    if (accept) accept(content.notes);
  } catch (...) {
    optimizer.load_state_dict(before);
    throw;
  }
  take_over(network.impl(), content.network.impl(), content.state);
  state = std::move(content.state.fit);
  return true;
}

Checkpointing resumable(const std::string& path) {
  Checkpointing checkpointing;
  checkpointing.write = [path](const Network& network, const Optimizer& optimizer, const FitState& state) {
    write_checkpoint(path, network, optimizer, state);
  };
  checkpointing.read = [path](Network& network, Optimizer& optimizer, FitState& state) {
    return read_checkpoint(path, network, optimizer, state);
  };
  return checkpointing;
}

}  // namespace backpass
