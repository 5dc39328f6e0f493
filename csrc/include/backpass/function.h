// Graphs as functions of arrays: compiled once for each number of rows, called many times.
#pragma once

#include "backpass/graph.h"
#include "backpass/plan.h"

namespace backpass {

// What a call may choose.
struct FunctionRun {
  std::uint64_t seed = 0, step = 0;  // what random numbers are drawn from
  int threads = 0;                   // at most; 0: as get_threads() says
};

// A graph that is called with arrays, as often as one likes and from several threads. The first call compiles it, and
// so does the first one with another number of rows where a shape begins with kBatch; the others find everything made.
// Arrays whose rows lie one after the other in the type of their input are read where they are; others are converted.
// A copy is another name of the same function.
class Function {
 public:
  Function() = default;  // empty: using it throws std::invalid_argument
  // `training`: ops that differ in training (dropout, batch statistics) do as they do there; no state is moved.
  // `name` opens the messages of errors. `rows`: where no shape has kBatch, how many rows a batch has all the same: so
  // many walk in lanes, in training. Throws std::invalid_argument where the graph mixes float32 and float64.
  explicit Function(Graph graph, bool training = false, std::string name = "Function", Dim rows = 0);

  const Graph& graph() const;
  bool training() const;
  // Parameters, then states, of the graph: memory that each call names, dense and of their types.
  const std::vector<Tensor>& leaves() const;
  explicit operator bool() const { return static_cast<bool>(impl_); }

  // One array for each output. Throws std::invalid_argument where `inputs` or `leaves` are not as many as there are, a
  // shape does not fit, or a number would not stay what it is.
  std::vector<Array> operator()(std::span<const ArrayView> inputs, std::span<const void* const> leaves = {},
                                const FunctionRun& run = {}) const;
  std::vector<Array> operator()(std::initializer_list<ArrayView> inputs) const {
    return (*this)(std::span<const ArrayView>(inputs.begin(), inputs.size()));
  }
  // The same into memory of the caller's, one place for each output: dense, aligned to its elements, and none that this
  // call reads, but for in_place(). Allocates nothing from the second call on. `rows` of check() says how large the places are.
  void run(std::span<const ArrayView> inputs, std::span<const void* const> leaves, std::span<void* const> outputs,
           const FunctionRun& run = {}) const;
  // For each output the input whose place may be its place too, which then holds the output: of steps by
  // Optimizer::apply, the old weight or slot, where nothing reads it later. -1: none.
  const std::vector<int>& in_place() const;
  // The number of rows of the inputs, 0 where none has a batch; throws as a call does.
  Dim check(std::span<const ArrayView> inputs) const;

  // What a call runs, for this number of rows.
  PlanInfo plan(Dim rows = 1) const;

 private:
  struct Impl;
  Handle<Impl, "Function"> impl_;
};

}  // namespace backpass
