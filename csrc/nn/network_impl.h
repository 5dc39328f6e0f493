// What a network holds.
#pragma once

#include <atomic>
#include <mutex>
#include <set>

#include "backpass/network.h"
#include "base/aligned.h"
#include "nn/in_use.h"
#include "nn/settle.h"
#include "plan/spares.h"

namespace backpass {

inline constexpr std::size_t kMaxArrays = 16;  // inputs of a network, and outputs

struct Network::Impl {
  Impl(SettledGraph settled, std::uint64_t network_seed);

  Graph graph;
  std::vector<PlacedLayer> layers;
  std::vector<std::string> first_layers, last_layers;  // "Dense 0": what reads each input and makes each output, or ""
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
  std::mutex making_gradients;             // no once_flag: an exception may not cross what C of glibc is in it
  std::atomic<bool> has_gradients{false};  // asked first: the lock costs more than a small layer
  std::set<std::string> frozen;            // names of parameters and states
  int freezes = 0;                         // counts changes of `frozen`: plans depend on it
  Dim n_parameters = 0;
  Dim n_values = 0;         // elements of `values`
  std::uint64_t step = 0;   // of random numbers: training walks so far
  std::uint64_t epoch = 0;  // of shuffling: epochs so far
  Users users;

  Spares spares;  // of predictions
  RunMemory by_hand;
  // Set by forward(training): what backward continues.
  struct Kept {
    Dim batch = -1;  // -1: nothing kept
    std::uint64_t step = 0;
    PlanKey key = {};  // of the plan that knows where
  } kept;

  std::vector<Tensor> trained() const;  // the parameters that are not frozen
  void place(const Tensor& t, std::vector<ParameterInfo>& infos);
  void track_states();
  void draw_values();
  void name_ends();
  std::size_t bytes() const { return static_cast<std::size_t>(n_parameters) * size_of(dtype); }
  std::byte* gradient_data();
  void run(Plan& plan, const PlanRun& run);  // which must not lead back into this network
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

// Throws std::invalid_argument where there are several: `who` gives one array.
void check_alone(const char* who, const std::vector<Tensor>& tensors, const char* what);

// A shape with this many rows.
Shape with_rows(Shape shape, Dim rows);

}  // namespace backpass
