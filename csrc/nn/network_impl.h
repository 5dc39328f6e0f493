// What a network holds.
#pragma once

#include <atomic>
#include <set>

#include "backpass/network.h"
#include "base/aligned.h"
#include "nn/home.h"
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
  std::unordered_map<const Op*, Place> places;  // of parameters and states, in the slots of their blocks
  // What a state becomes after a training step.
  struct Tracked {
    Tensor state, next;
  };
  std::vector<Tracked> tracked;
  // The layout: parameters one after the other, then states, which begin at a multiple of 64 bytes. Optimizers and
  // averages keep their arrays so. Where it really lies: blocks, ascending; one alone where nothing is shared.
  std::vector<Block> blocks;
  std::shared_ptr<Home> made;           // of what got its first values with this network; null where nothing did
  std::vector<std::byte*> more_blocks;  // parameters and gradients of all but the first; what is read may be unset
  std::byte* first = nullptr;           // the first block's values, for every step
  std::size_t first_at = 0;             // where it begins in its home, bytes
  std::vector<Users*> users;            // of all homes, each once
  std::vector<std::shared_ptr<Home>> tenancies;  // likewise: this network is among theirs as long as they are held
  std::set<std::string> frozen;                  // names of parameters and states
  int freezes = 0;                               // counts changes of `frozen`: plans depend on it
  Dim n_parameters = 0;
  bool goes_on = false;     // from parameters that had all been trained when it was made
  Dim n_values = 0;         // elements of the layout
  std::uint64_t step = 0;   // of random numbers: training walks so far
  std::uint64_t epoch = 0;  // of shuffling: epochs so far

  Spares spares;  // of predictions
  RunMemory by_hand;
  // Set by forward(training): what backward continues.
  struct Kept {
    Dim batch = -1;  // -1: nothing kept
    std::uint64_t step = 0;
    PlanKey key = {};  // of the plan that knows where
  } kept;

  std::vector<Tensor> trained() const;  // the parameters that are not frozen
  void lay_out();
  void place(const Tensor& t, std::vector<ParameterInfo>& infos);
  void move_in(const std::vector<Tensor>& trained, const std::vector<Tensor>& others);
  void find_block(const ParameterInfo& info, const Residence& lives);
  void track_states();
  bool all_trained() const;
  bool is_trained() const;  // whether some home is
  bool is_shared() const;   // whether another network has something of some home
  void freeze(const ParameterInfo& info);
  void note_training(bool trained = true);
  enum class Draw { first, all };
  void draw_values(Draw which);
  void move_out();  // what lives in `own` lives nowhere again: for a network that is given up
  void name_ends();
  void name_residents();  // of a file: whose the parameters are, by their names
  std::size_t bytes() const { return static_cast<std::size_t>(n_parameters) * size_of(dtype); }
  std::size_t value_bytes() const { return static_cast<std::size_t>(n_values) * size_of(dtype); }
  // Where the parameters, or the gradients, of the first block lie: for slots kParameters and kGradients.
  std::byte* first_values() const { return first; }
  std::byte* first_gradients() const { return blocks[0].home->gradients() + first_at; }
  std::size_t bytes_before(const ParameterInfo& info) const {  // in the layout
    return static_cast<std::size_t>(info.offset) * size_of(dtype);
  }
  std::size_t block_of(const ParameterInfo& info) const;
  Place place_of(const ParameterInfo& info) const;
  std::byte* values_of(const ParameterInfo& info) const;
  std::byte* gradients_of(const ParameterInfo& info) const;  // of a parameter
  std::vector<FlatBlock> flat_blocks() const;                // of parameters
  std::span<std::byte* const> set_blocks() const;  // more_blocks, with gradients that are zero if they shall be
  bool has_gradients() const;
  bool is_in_one_block() const { return blocks[0].end >= n_parameters; }  // its parameters
  void clear_gradients();
  void clear_gradient(const ParameterInfo& info);
  void require_one_block(const char* who) const;  // throws std::invalid_argument where parameters have several
  // From a network of the same parameters and states, in their order.
  void copy_values(const Impl& from);
  void copy_gradients(const Impl& from);
  // Parameters and states in the order of the layout, which `dense` has: value_bytes().
  void read_values(std::byte* dense) const;
  void write_values(const std::byte* dense);
  void run(Plan& plan, const PlanRun& run);  // which must not lead back into this network
  const std::vector<Tensor>& inputs() const { return graph.inputs(); }
  const std::vector<Tensor>& outputs() const { return graph.outputs(); }
  // Throws std::invalid_argument where there are not as many arrays as inputs, a shape does not fit or rows differ.
  Dim check_inputs(const ArrayViews& x) const;
  // What the first non-finite value of a forward walk belongs to: "Dense 2"; "the loss" where all are finite.
  std::string first_non_finite(const ArrayViews& x, const std::int64_t* rows, Dim batch, std::uint64_t random_seed,
                               std::uint64_t random_step);
};

// A copy of a network's values, and a gradient, in its layout: for runs that shall change nothing.
struct ValuesApart {
  explicit ValuesApart(const Network::Impl& net);
  AlignedBuffer values, gradients;
  std::vector<std::byte*> more_blocks;
};

// The plan of forward(training=false). Bit i of `gathered`: input i is gathered; the others are read in place, from
// external slots; those of the outputs follow.
PlanSpec predict_spec(const Network::Impl& net, Dim batch, unsigned gathered);

// Moves the states, in a phase of a training plan.
void assign_states(PlanSpec& spec, const Network::Impl& net, Phase phase);

// Throws std::invalid_argument where there are several: `who` gives one array.
void check_alone(const char* who, const std::vector<Tensor>& tensors, const char* what);

}  // namespace backpass
