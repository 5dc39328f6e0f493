// What a network holds.
#pragma once

#include <atomic>
#include <set>
#include <thread>

#include "backpass/network.h"
#include "base/aligned.h"
#include "nn/settle.h"
#include "plan/workspace.h"

namespace backpass {

inline constexpr std::size_t kMaxArrays = 16;  // inputs of a network, and outputs

struct Network::Impl {
  Impl(SettledGraph settled, std::uint64_t network_seed);

  Graph graph;
  std::vector<PlacedLayer> layers;
  DType dtype;
  std::uint64_t seed;
  std::vector<ParameterInfo> parameters, states;
  std::unordered_map<const Op*, Place> places;  // of parameters and states, in slot kParameters
  // What a state becomes after a training step.
  struct Tracked {
    Tensor state, next;
  };
  std::vector<Tracked> tracked;
  // Parameters, then states, which begin at a multiple of 64 bytes; gradients: allocated at first use.
  AlignedBuffer values, gradients;
  std::set<std::string> frozen;  // names of parameters and states
  int freezes = 0;               // counts changes of `frozen`: plans depend on it
  Dim n_parameters = 0;
  Dim n_values = 0;                      // elements of `values`
  std::uint64_t step = 0;                // of random numbers: training walks so far
  std::uint64_t epoch = 0;               // of shuffling: epochs so far
  std::atomic<std::thread::id> owner{};  // the thread that has a call under way

  Workspace predict, by_hand;
  std::vector<std::byte*> slots;  // of the run under way: kept, so that a run allocates nothing
  std::vector<RowSource> sources;
  // Set by forward(training): what backward continues.
  struct Kept {
    Dim batch = -1;  // -1: nothing kept
    std::uint64_t step = 0;
    PlanKey key = {};  // of the plan that knows where
  } kept;

  std::vector<Tensor> trained() const;  // the parameters that are not frozen
  void place(const Tensor& t, std::vector<ParameterInfo>& infos);
  void track_states();
  std::size_t bytes() const { return static_cast<std::size_t>(n_parameters) * size_of(dtype); }
  std::byte* gradient_data();
  const std::vector<Tensor>& inputs() const { return graph.inputs(); }
  const std::vector<Tensor>& outputs() const { return graph.outputs(); }
  // Throws std::invalid_argument where there are not as many arrays as inputs, a shape does not fit or rows differ.
  Dim check_inputs(const ArrayViews& x) const;
  // What the first non-finite value of a forward walk belongs to: "Dense 2"; "the loss" where all are finite.
  std::string first_non_finite(const ArrayViews& x, const std::int64_t* rows, Dim batch, std::uint64_t random_seed,
                               std::uint64_t random_step);
};

// The plan of forward(training=false). Bit i of `gathered`: input i is gathered; the others are read in place, from
// external slots; those of the outputs follow.
PlanSpec predict_spec(const Network::Impl& net, Dim batch, unsigned gathered);

// Moves the states, in a phase of a training plan.
void assign_states(PlanSpec& spec, const Network::Impl& net, Phase phase);

// A shape with this many rows.
Shape with_rows(Shape shape, Dim rows);

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
