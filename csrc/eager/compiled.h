// Compiled recordings: a recording as a function.
#pragma once

#include "backpass/function.h"
#include "eager/callees.h"
#include "eager/walk.h"

namespace backpass::eager {

// Which gradients are asked for.
struct GradientWish {
  struct By {
    std::shared_ptr<const ParameterPlace> lives;  // of a parameter
    std::optional<std::size_t> node;              // else, where it is in the recording
  };

  // Of all leaves that require them, as results or into the memory of their networks.
  explicit GradientWish(std::vector<Tensor> given_seeds) : seeds(std::move(given_seeds)) {}
  // By some tensors, as results by their numbers. To be made right after the walk.
  GradientWish(const Recording& recording, const std::vector<Tensor>& xs, std::vector<Tensor> given_seeds);

  bool leaves = true;
  std::vector<By> by = {};
  std::vector<Tensor> seeds;  // known tensors, one for each root; empty ones are ones

  void add_to(std::vector<std::uint64_t>& key) const;  // ends it
};

// A recording as a function, and what its arguments and results are.
struct Compiled {
  struct Result {
    enum class Kind : unsigned char { value, gradient, parameter, state } kind;
    std::size_t node = 0;
    DType dtype = DType::float32;
    Shape shape = {};
    std::byte* place = nullptr;  // of a parameter's gradient, or a state
  };

  std::vector<std::uint64_t> key, numbers;
  bool lifted = false;  // numbers are arguments
  Dim rows = 0;         // of the largest batch
  Function function;
  std::vector<std::size_t> inputs;  // places of leaves
  std::vector<std::size_t> seeds;   // which of the seeds are arguments
  // Whose gradients are results: by a node that calls it or lives in it, and whether they are all that it trains.
  std::vector<std::pair<std::size_t, bool>> trained;
  std::vector<const void*> leaves;  // parameters and states
  std::vector<Result> results;
  std::vector<std::shared_ptr<const Callee>> kept;  // losses: their addresses are part of the key

  bool writes() const {
    return !trained.empty() ||
           std::ranges::any_of(results, [](const Result& r) { return r.kind == Result::Kind::state; });
  }
};

// `lift`: the recording's numbers become arguments.
std::shared_ptr<const Compiled> compiled(const Recording& recording, const GradientWish* wish, bool lift);

}  // namespace backpass::eager
