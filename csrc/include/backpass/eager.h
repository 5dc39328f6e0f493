// Tensors that have values: operations on them are recorded, and run where somebody asks for a value or a gradient.
//
// A recording is a graph of the same ops as any other. Asking compiles it once; a recording of the same structure finds
// its plan again. Recordings are made by one thread at a time: Python's lock, or one of the program's, sees to that.
// Plans may run without it. What is computed without being asked for is what the same thread has recorded.
#pragma once

#include "backpass/function.h"
#include "backpass/losses.h"
#include "backpass/network.h"

namespace backpass::eager {

// A tensor with these elements, copied.
Tensor tensor(const ArrayView& values, DType dtype, bool requires_grad = false);
bool is_eager(const Tensor& t);   // has a value, or follows from some that have
bool has_value(const Tensor& t);  // likewise, or follows from constants and random numbers alone
bool requires_grad(const Tensor& t);
bool is_leaf(const Tensor& t);
// Throws std::invalid_argument where the tensor is no leaf, or holds integers. A parameter that lives in a network is
// frozen there, or trained again.
void set_requires_grad(const Tensor& t, bool on);
void retain_grad(const Tensor& t);  // keeps the gradient of a tensor that is no leaf

// Its elements, computed now where nobody has asked before: memory of the tensor's, not to be written to.
Array value(const Tensor& t);
// Writes new elements into a leaf. What follows from the old ones is computed first.
void assign(const Tensor& leaf, const ArrayView& values);
// What random numbers outside of networks are drawn from, where a function has no seed of its own: this seed, and a
// step that counts the runs, from 0. Until it is called, a seed that is always the same.
void manual_seed(std::uint64_t seed);
FunctionRun next_draw();  // the seed and the step of the next run
// Computes what has been recorded and not been asked for: before something changes that it is made from.
void settle();
// The same, before parameters of this network change: calls of it that were recorded cannot be differentiated any more.
void change(const Network& network);

// What stop_gradient gives, at once: the same elements, without a history.
Tensor detach(const Tensor& t);

// The gradient that backward has left, a leaf; empty where there is none.
Tensor grad(const Tensor& t);
// An empty gradient is none (of a network's parameter: zeros).
void set_grad(const Tensor& t, const Tensor& grad);

// Adds dy/dx to the gradients of all leaves x that require them, and of the parameters of networks that y is made with.
// Without `retain_graph`, y and what it is made from cannot be differentiated again. Throws std::invalid_argument where
// y follows from nothing that requires a gradient, has been let go of, or is not one number and no seed is given.
void backward(const Tensor& y, const Tensor& seed = {}, bool retain_graph = false);
// dy/dx for each x, with these seeds (ones where empty); empty where y does not follow from x. Leaves .grad as it is.
std::vector<Tensor> gradients(const std::vector<Tensor>& ys, const std::vector<Tensor>& xs,
                              const std::vector<Tensor>& seeds = {}, bool retain_graph = false);
// The same as recordings, which can be differentiated again.
std::vector<Tensor> recorded_gradients(const std::vector<Tensor>& ys, const std::vector<Tensor>& xs,
                                       const std::vector<Tensor>& seeds = {});

// Called with the gradient of a tensor when it is computed; an array that it gives takes its place.
using Hook = std::function<Array(const Array& grad)>;
std::uint64_t add_hook(const Tensor& t, Hook hook);
void remove_hook(const Tensor& t, std::uint64_t number);

bool recording_gradients();  // on this thread; true at the beginning
void set_recording_gradients(bool on);

struct NetworkCallee;

// A network as a function of eager tensors.
class Caller {
 public:
  explicit Caller(Network network);
  // One tensor for each output. In training dropout drops, and running statistics move when the call is computed.
  std::vector<Tensor> operator()(const std::vector<Tensor>& inputs, bool training) const;
  // The arrays of a call as its inputs: checked, and copied.
  std::vector<Tensor> inputs(const ArrayViews& x) const;
  const std::vector<Tensor>& parameters() const;  // leaves that live in the network
  const Network& network() const;

 private:
  Handle<const NetworkCallee, "Caller"> callee_;
};

// A loss of a prediction and its targets, one number. Targets are checked as in training.
Tensor loss(const Loss& loss, const Tensor& prediction, const ArrayView& target, const ArrayView& sample_weight = {});
Tensor loss(const Loss& loss, const Tensor& prediction, const Tensor& target, const ArrayView& sample_weight = {});

// A leaf that requires a gradient or lives in a network; or a parameter or state of the graph of a network.
bool is_parameter(const Tensor& t);
// Parameters under these names as those of one network: what an optimizer of them steps. All stay where they live;
// leaves that live nowhere move into one block of memory. Throws std::invalid_argument where there is none, one is
// something else or is given twice, or they differ in type.
Network joined(const std::vector<std::pair<std::string, Tensor>>& parts);

// The network in which just these leaves live, and all others are frozen; null where there is none.
const Network* network_of(const std::vector<Tensor>& leaves);

// The same for all tensors that are the same parameter or state.
const void* identity(const Tensor& t);

// How a plan is run: bindings let go of their lock meanwhile. Set once.
void set_around_run(void (*around)(const std::function<void()>& run));

struct CacheInfo {
  std::size_t plans = 0, compiled = 0;  // kept now; compiled so far
};
CacheInfo cache_info();
PlanInfo last_plan();  // that has been run, on whatever thread

}  // namespace backpass::eager
