// A network: a graph and its parameters, to train, predict, save and load.
#pragma once

#include <map>

#include "backpass/graph.h"
#include "backpass/layers.h"
#include "backpass/plan.h"

namespace backpass {

struct NetworkOptions {
  std::optional<std::uint64_t> seed = {};  // fresh entropy where absent
};

struct SequentialOptions {
  std::optional<std::uint64_t> seed = {};
  DType dtype = DType::float32;
  Precision precision = Precision::highest;
};

struct ParameterInfo {
  std::string name;  // "0.weight"
  Shape shape;
  Dim offset;  // elements into the flat buffers
  Dim size;    // elements
};

// One line of a summary.
struct LayerInfo {
  std::string type;
  Attributes attributes;
  Shape output_shape;  // with kBatch first
  Dim n_parameters;
};

// A shared handle. One thread at a time may call a network: a second one gets std::runtime_error, not a race.
// Inputs and outputs have kBatch as first dimension.
class Network {
 public:
  Network() = default;
  Network(std::vector<Tensor> inputs, std::vector<Tensor> outputs, NetworkOptions options = {});

  explicit operator bool() const { return impl_ != nullptr; }
  const Graph& graph() const;
  DType dtype() const;
  std::uint64_t seed() const;
  Dim n_parameters() const;
  const std::vector<ParameterInfo>& parameters() const;
  const std::vector<LayerInfo>& layers() const;  // empty unless made by sequential()
  void* flat_parameters();                       // n_parameters elements of dtype, dense, 64-byte aligned
  void* flat_gradients();                        // likewise; allocated at first use
  template <class T>
  std::span<T> values(const std::string& name) {  // of one parameter; throws where the name or T does not fit
    return {static_cast<T*>(at(name, element_type_of<T>())), static_cast<std::size_t>(size_of_parameter(name))};
  }

  // The output for rows of x, in tiles of batch_size rows (0: chosen here). threads 0: the default.
  Array predict(const ArrayView& x, Dim batch_size = 0, int threads = 0);
  // By hand. training keeps what backward needs. `random_step` fixes the dropout masks (-1: the next ones).
  Array forward(const ArrayView& x, bool training = true, std::int64_t random_step = -1);
  // Adds to the gradients and returns the gradient to the input; std::runtime_error without a kept forward.
  Array backward(const ArrayView& grad_output);
  void zero_grad();

  PlanInfo plan(Dim batch_size, bool training = false);  // of forward (and backward)
  PlanInfo profile(Dim batch_size, bool training = false, int repeats = 20);
  std::size_t memory_estimate(Dim batch_size);  // bytes of a training step: parameters, gradients, arena

  // safetensors, replaced atomically. Errors: std::runtime_error (input/output), std::invalid_argument (content).
  void save(const std::string& path) const;
  static Network load(const std::string& path);
  std::string serialize() const;  // the bytes of that file
  static Network deserialize(std::span<const std::byte> bytes);
  // Weights by name: all of them, or std::invalid_argument that names the entry. Other real types are cast.
  void load_weights(const std::map<std::string, ArrayView>& arrays);
  void load_weights(const std::string& path);  // safetensors, of this library or of others
  Network clone() const;                       // parameters copied

  struct Impl;
  Impl& impl() const { return *impl_; }
  const std::shared_ptr<Impl>& shared_impl() const { return impl_; }

 private:
  friend Network sequential(Shape, const std::vector<Layer>&, SequentialOptions);
  void* at(const std::string& name, ElementType type);
  Dim size_of_parameter(const std::string& name) const;
  std::shared_ptr<Impl> impl_;
};

// Layers one after the other over inputs of shape (batch, *input_shape). Parameters are named "0.weight", "0.bias", ...
// by the index of their layer. Errors name the layer: `[Dense 2] ...`.
Network sequential(Shape input_shape, const std::vector<Layer>& layers, SequentialOptions options = {});

}  // namespace backpass
