// What a network holds.
#pragma once

#include <atomic>
#include <thread>

#include "backpass/network.h"
#include "base/aligned.h"
#include "plan/workspace.h"

namespace backpass {

struct Network::Impl {
  Impl(std::vector<Tensor> inputs, std::vector<Tensor> outputs, std::uint64_t network_seed);

  Graph graph;
  DType dtype;
  std::uint64_t seed;
  std::vector<ParameterInfo> parameters;
  std::unordered_map<const Op*, Place> places;  // of the parameters, in slot kParameters
  std::vector<LayerInfo> layers;
  std::vector<Tensor> layer_outputs;  // known where sequential() made the network
  AlignedBuffer values, gradients;    // gradients: allocated at first use
  Dim n_parameters = 0;
  std::uint64_t step = 0;                // of random numbers: training walks so far
  std::uint64_t epoch = 0;               // of shuffling: epochs so far
  std::atomic<std::thread::id> owner{};  // the thread that has a call under way

  Workspace predict, by_hand;
  // Set by forward(training): what backward continues.
  struct Kept {
    Dim batch = -1;  // -1: nothing kept
    std::uint64_t step = 0;
  } kept;

  std::size_t bytes() const { return static_cast<std::size_t>(n_parameters) * size_of(dtype); }
  std::byte* gradient_data();
  Shape output_shape(Dim rows) const;
  const Tensor& x() const { return graph.inputs()[0]; }
  const Tensor& y() const { return graph.outputs()[0]; }
  // What the first non-finite value of a forward walk belongs to: "Dense 2"; "the loss" where all are finite.
  std::string first_non_finite(const ArrayView& x, const std::int64_t* rows, Dim batch, std::uint64_t random_seed,
                               std::uint64_t random_step);
};

// Layers built one after the other; no memory is taken for parameters yet.
struct Stack {
  Tensor x;
  std::vector<Tensor> outputs;  // by layer
  const Tensor& y() const { return outputs.empty() ? x : outputs.back(); }
};

Stack build_stack(Shape input_shape, const std::vector<Layer>& layers, DType dtype, Precision precision);
Network stack_network(const Stack& stack, const std::vector<Layer>& layers, std::optional<std::uint64_t> seed);

// Holds a network for one call; throws std::runtime_error where another thread has it. The thread that has it may call
// again: hooks of fit predict.
class InUse {
 public:
  explicit InUse(Network::Impl& network);
  ~InUse() {
    if (outermost_) network_.owner.store({}, std::memory_order_release);
  }
  InUse(const InUse&) = delete;
  InUse& operator=(const InUse&) = delete;

 private:
  Network::Impl& network_;
  bool outermost_ = true;
};

}  // namespace backpass
