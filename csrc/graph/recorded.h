// What lies beside the ops of tensors that have values: a recording is the graph that leads to them.
#pragma once

#include "graph/op.h"

namespace backpass {

// What a recording holds as one op although it is many: a network or a loss that is called, a parameter where it lives.
// Such an op is of kind input, with the arguments of the call as its inputs.
struct Callee {
  virtual ~Callee() = default;
};

// Sees the gradient of a tensor on its way; what it returns takes its place, unless it is empty.
using GradientHook = std::function<Array(const Array& grad)>;

// Which random numbers an op drew when it first ran, so that its gradient finds the same.
struct Draw {
  std::uint64_t seed = 0, step = 0;
  std::uint32_t stream = 0;  // what is added to its streams
};

struct Recorded {
  bool known = false;          // its value is there
  bool leaf = false;           // made from its value, by nobody
  bool requires_grad = false;  // gradients are asked for what it is made from
  bool retains_grad = false;   // although it is no leaf
  bool freed = false;          // a backward has let go of what it, or something in it, was made from
  std::uint64_t changed = 0;   // of a leaf: ops with smaller numbers read other values
  std::uint32_t depth = 0;     // ops one after the other that have to run for its value
  Array value = {};
  Tensor grad = {};  // a leaf; empty where nothing has come
  std::shared_ptr<const Callee> callee = nullptr;
  std::optional<Draw> draw = {};
  std::optional<Draw> follows = {};  // the last draw in what it was made from, itself included
  std::vector<std::pair<std::uint64_t, GradientHook>> hooks = {};  // by their numbers
  // Of walks: the digest of the op's attributes, made once; and where the walk of this number has put it.
  std::uint64_t digest = 0, walk = 0;
  std::size_t index = 0;
};

// Whether operations are recorded for gradients, on this thread.
bool recording_gradients();
void set_recording_gradients(bool on);

// A tensor whose elements are known now.
Tensor known_tensor(Array value, bool requires_grad = false);
// An op that stands for a call: of some shape and type, from its arguments.
Tensor recorded_call(std::shared_ptr<const Callee> callee, std::vector<Tensor> inputs, Shape shape, DType dtype,
                     bool requires_grad);

// As make_tensor(op), with this beside it.
Tensor make_tensor(Op op, std::shared_ptr<Recorded> recorded);

// A number later than those of all ops so far.
std::uint64_t next_op_id();

// What an op that is about to be made has beside it; null where it does not follow from values alone.
std::shared_ptr<Recorded> recorded_from(const Op& op);

// Recorded ops that nobody has asked for yet.
void note_unasked(const Tensor& t);
std::vector<Tensor> take_unasked();  // all of them that somebody holds
// Computes a tensor; called where a recording has become deep. Set once, by what runs recordings.
void set_computer(void (*compute)(const Tensor&));

// Lets go of what an op was made from; it has its value, or nobody will want it.
void forget_inputs(const Tensor& t);

}  // namespace backpass
