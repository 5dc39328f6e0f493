// A network: a graph and its parameters, to train, predict, save and load.
#pragma once

#include <map>

#include "backpass/graph.h"
#include "backpass/layers.h"
#include "backpass/plan.h"

namespace backpass {

struct NetworkOptions {
  std::optional<std::uint64_t> seed = {};   // fresh entropy where absent
  std::optional<Precision> precision = {};  // of all its products; absent: as each was made
  std::optional<DType> dtype = {};          // of all its real tensors; absent: as each was made
};

struct SequentialOptions {
  std::optional<std::uint64_t> seed = {};
  DType dtype = DType::float32;
  Precision precision = Precision::highest;
};

struct ParameterInfo {
  std::string name;  // "0.weight"
  Shape shape;
  Dim offset;  // elements into the flat layout: parameters, then states
  Dim size;    // elements
};

// One call of a layer: a line of a summary. Layers within a layer are part of it.
struct LayerInfo {
  std::string name;  // "0"; its parameters are "0.weight" and so on
  std::string type;
  Attributes attributes;
  std::vector<std::string> inputs;  // names of layers and network inputs that it reads; "" of what is neither
  Shape output_shape;               // with kBatch first
  Dim n_parameters = 0;             // 0 where an earlier call uses the same
  double flops = 0;                 // forward, of one row: two for each multiply-add, one for any other element
  double bytes = 0;                 // of its output, one row
};

// How far the random streams of a network are: walks in training (dropout), and epochs (shuffling). Files do not tell.
struct RandomCounters {
  std::uint64_t step = 0, epoch = 0;
};

// What backpropagation knows of one layer: tensors of the network's graph.
struct LayerTrace {
  std::string name, type;
  Tensor z, a;                                             // into its activation, and out of it
  std::vector<std::pair<std::string, Tensor>> parameters;  // "weight"; those of layers within: "1.weight"
};

// Parameters and states live where a network first gave them values: in a home. Networks that are made of the same
// layers or tensors, or of each other (called on tensors, or by sub()), use them there, each by names of its own, with
// its own optimizer and its own frozen parameters. Only clone(), load() and Layer::copy() make others:
//
//   Network g = ..., d = ...;                  // noise -> picture, picture -> logit
//   const Tensor z = input({kBatch, 8});
//   Network gan({z}, {d(g(z))});
//   gan.freeze(d);                             // gan trains what lives in g; d trains itself
//
// A shared handle. Calls that read a network (predict, profile, state_dict, save, clone) may come from several threads
// at once; one that changes it is alone. Who is in the way of another gets std::runtime_error, not a race, and so does
// a call from within another one's run (of a layer that calls its own network); hooks of fit and evaluate may call it.
// That holds for networks that share parameters, too: while one is trained, the other is not called elsewhere.
// Inputs and outputs have kBatch as first dimension; outputs are of one real type, inputs of the same or int32.
class Network {
 public:
  Network() = default;
  // Copies the graph; parameters of layers are named by the order in which the layers were called: "0.weight".
  Network(std::vector<Tensor> inputs, std::vector<Tensor> outputs, NetworkOptions options = {});

  explicit operator bool() const { return static_cast<bool>(impl_); }
  const Graph& graph() const;
  DType dtype() const;
  std::uint64_t seed() const;
  Precision precision() const;  // of its first product
  Dim n_parameters() const;
  const std::vector<ParameterInfo>& parameters() const;
  const std::vector<ParameterInfo>& states() const;  // running statistics; offsets go on behind the parameters
  std::vector<LayerInfo> layers() const;             // empty where it was not built from layers
  std::vector<LayerTrace> trace() const;
  bool adds_losses() const;    // whether some of its tensors have a term in the loss (add_loss)
  bool is_sequential() const;  // whether our layers one after the other, with their settings, make the same graph
  // n_parameters elements of dtype, dense, 64-byte aligned. Throws std::invalid_argument where the parameters are not
  // in one block: where they are shared with other networks, they may have several homes, or be parts of one.
  void* flat_parameters();
  void* flat_gradients();  // likewise; allocated at first use
  bool is_in_one_block() const;
  // The elements of one of parameters() or states(), and of a parameter's gradient, where they live: row-major.
  void* values_of(const ParameterInfo& info);
  void* gradients_of(const ParameterInfo& info);
  template <class T>
  std::span<T> values(const std::string& name) {  // of one parameter or state; throws where the name or T does not fit
    const ParameterInfo& info = info_of(name, element_type_of<T>());
    return {static_cast<T*>(values_of(info)), static_cast<std::size_t>(info.size)};
  }

  // The output for rows of x, in tiles of batch_size rows (0: chosen here). threads 0: the default. A network of
  // several inputs takes one array for each; one of several outputs answers with the `_all` forms only.
  Array predict(const ArrayViews& x, Dim batch_size = 0, int threads = 0);
  std::vector<Array> predict_all(const ArrayViews& x, Dim batch_size = 0, int threads = 0);
  // By hand. training keeps what backward needs. `random_step` fixes the dropout masks (-1: the next ones).
  Array forward(const ArrayViews& x, bool training = true, std::int64_t random_step = -1);
  std::vector<Array> forward_all(const ArrayViews& x, bool training = true, std::int64_t random_step = -1);
  // Adds to the gradients and returns the gradient to the input (zeros to one of int32); std::runtime_error without a
  // kept forward.
  Array backward(const ArrayViews& grad_output);
  std::vector<Array> backward_all(const ArrayViews& grad_output);
  void zero_grad();
  // Parameters and states whose names match a pattern ('*' is anything, '?' one character) stay as they are in
  // training until unfreeze(): no gradient is computed for them, nor for what only they need; theirs reads zero
  // unless another network that shares them puts some there. Throws
  // std::invalid_argument where a pattern matches none. Not saved; copied by clone().
  // Others that share them may train them all the same.
  void freeze(const std::vector<std::string>& patterns = {"*"});
  void unfreeze(const std::vector<std::string>& patterns = {"*"});
  // What it shares with another network; throws std::invalid_argument where that is nothing.
  void freeze(const Network& part);
  void unfreeze(const Network& part);
  std::vector<std::string> frozen() const;  // names, in the order of parameters() and states()
  // As newly made with this seed (absent: the same as before): initial parameters and states, gradients of zero, random
  // streams from their begin. What is frozen stays frozen.
  // Shared parameters are drawn anew for all who use them. Throws std::invalid_argument where a parameter began with
  // values that are not known any more: initializers written by hand are not saved with a network.
  void reset(std::optional<std::uint64_t> seed = {});
  // The network on tensors, as part of another graph, where its parameters stay its own: of the shapes and types of its
  // inputs; instead of a batch, all may have the same number of rows.
  std::vector<Tensor> operator()(const std::vector<Tensor>& xs) const;
  Tensor operator()(const Tensor& x) const;
  // The part between tensors of its graph (see trace()), over the same parameters: a feature extractor. An inner tensor
  // among `inputs` becomes an input.
  Network sub(const std::vector<Tensor>& inputs, const std::vector<Tensor>& outputs) const;
  // Lets layers that have no values yet use those of this network, which was made of layers like them, one after the
  // other: after loading or copying, the twins of its own layers.
  void lend(const std::vector<Layer>& layers) const;
  // Whether it had no first values to give: all its parameters were trained before, and none is left out.
  bool goes_on() const;
  bool is_shared() const;   // whether another network uses something that lives with it
  bool is_trained() const;  // whether an optimizer has begun with something that lives with it, or weights were loaded
  RandomCounters random_counters() const;
  void set_random_counters(RandomCounters counters);
  // Any tensors over this network's parameters, in training: `inputs` are those of its graph and others that `outputs`
  // need, one array for each. Compiles anew at each call.
  std::vector<Array> evaluate(const std::vector<Tensor>& inputs, const std::vector<Tensor>& outputs,
                              const std::vector<ArrayView>& values, std::int64_t random_step = -1);

  PlanInfo plan(Dim batch_size, bool training = false);  // of forward (and backward)
  PlanInfo profile(Dim batch_size, bool training = false, int repeats = 20);
  std::size_t memory_estimate(Dim batch_size);  // bytes of a training step: parameters, gradients, arena

  // safetensors, replaced as a whole. Errors: FileError (input/output), std::invalid_argument (content).
  void save(const std::string& path) const;
  void save_weights(const std::string& path) const;  // parameters and states alone, as safetensors
  static Network load(const std::string& path);
  std::string serialize() const;  // the bytes of that file
  static Network deserialize(std::span<const std::byte> bytes);
  // Weights by name: all of them, or std::invalid_argument that names the entry. Other real types are cast.
  void load_weights(const std::map<std::string, ArrayView>& arrays);
  std::vector<std::pair<std::string, Array>> state_dict() const;  // copies of parameters and states, by name
  void load_weights(const std::string& path);                     // safetensors, of this library or of others
  // The arrays of such a file, by name.
  static std::vector<std::pair<std::string, Array>> read_weights(const std::string& path);
  Network clone(std::optional<DType> dtype = {}) const;  // parameters and gradients copied, in another type if asked

  // Takes back the first values that it gave: its layers may be called with other shapes, where nobody else uses them.
  void give_up();

  struct Impl;
  Impl& impl() const { return *impl_; }
  const std::shared_ptr<Impl>& shared_impl() const { return impl_.shared(); }

 private:
  const ParameterInfo& info_of(const std::string& name, ElementType type) const;
  Handle<Impl, "Network"> impl_;
};

// Layers one after the other over inputs of shape (batch, *input_shape). Parameters are named "0.weight", "0.bias", ...
// by the index of their layer. Errors name the layer: `[Dense 2] ...`.
Network sequential(Shape input_shape, const std::vector<Layer>& layers, SequentialOptions options = {});

}  // namespace backpass
