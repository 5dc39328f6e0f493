// How a recording becomes a graph to compile.
#pragma once

#include <unordered_map>

#include "backpass/network.h"
#include "graph/recorded.h"
#include "nn/home.h"

namespace backpass::eager {

// A state that a call moves: where it lives, and what it becomes.
struct StateMove {
  Tensor state;
  std::byte* place = nullptr;
};

// What the calls of one recording share.
struct Expansion {
  std::unordered_map<const Residence*, Tensor> states = {};  // what a state is by now
  std::unordered_map<const Residence*, Tensor> parameters = {},
                                               frozen = {};  // one op for each, whatever networks use it
  std::unordered_map<const void*, std::vector<Tensor>> calls = {};
  std::vector<StateMove> moves = {};

  // The op that stands for a parameter. No gradient goes to it where a network has it frozen.
  const Tensor& parameter(const Tensor& t, bool is_frozen) {
    return (is_frozen ? frozen : parameters).try_emplace(t.op().residence.get(), t).first->second;
  }
  Tensor& state(const Tensor& t) { return states.try_emplace(t.op().residence.get(), t).first->second; }
};

// A call whose ops follow when they are needed.
struct ExpandingCallee : Callee {
  virtual std::uint64_t key() const = 0;  // the same for calls of which one plan is good for all
  virtual Tensor build(Expansion& expansion, const std::vector<Tensor>& inputs, std::uint32_t stream) const = 0;
  // The network of the call, or that the parameter lives in; null of others.
  virtual const Network* network() const { return nullptr; }
  // The parameter that it is, or a null pointer where it is a call.
  virtual const ParameterInfo* parameter() const { return nullptr; }
  virtual const void* group() const { return this; }  // what the outputs of one call have in common
  virtual bool is_random() const { return false; }
  virtual bool is_outdated() const { return false; }  // its parameters have changed since it was recorded
};

inline const ExpandingCallee* callee_of(const Recorded& recorded) {
  return static_cast<const ExpandingCallee*>(recorded.callee.get());
}

// What a network's graph is for inputs with so many rows: ops are copied, `stand_ins` and what they are for excepted.
struct Substitution {
  std::unordered_map<const Op*, Tensor> stand_ins;
  Dim rows = 0;
  bool training = true;
  std::uint32_t stream = 0;  // is added to those of random numbers
};
std::vector<Tensor> substituted(const Graph& graph, Substitution with, Expansion& expansion);

}  // namespace backpass::eager
