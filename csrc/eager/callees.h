// What may be called in a recording: networks and losses; and parameters where they live.
#pragma once

#include "backpass/losses.h"
#include "eager/expansion.h"

namespace backpass::eager {

// What all calls of a network have in common.
struct NetworkCallee {
  explicit NetworkCallee(Network of);
  Network network;
  std::vector<Tensor> parameters;  // as leaves that live in it
  bool random = false;             // in training
};

// The outputs of one call of a network have the call in common.
struct NetworkCall {
  NetworkCall(std::shared_ptr<const NetworkCallee> of, bool trains, Dim with_rows);
  std::shared_ptr<const NetworkCallee> callee;
  bool training;
  Dim rows;
  std::uint64_t key = 0;
  std::uint64_t changes = 0;  // of its parameters, before it was made

  const Network& network() const { return callee->network; }
  std::uint64_t changes_now() const;
};

struct NetworkOutput final : ExpandingCallee {
  NetworkOutput(std::shared_ptr<const NetworkCall> of, std::size_t which) : call(std::move(of)), output(which) {}
  std::uint64_t key() const override { return call->key + output; }
  Tensor build(Expansion& expansion, const std::vector<Tensor>& inputs, std::uint32_t stream) const override;
  const Network* network() const override { return &call->network(); }
  const void* group() const override;
  bool is_random() const override { return call->training && call->callee->random; }
  bool is_outdated() const override { return call->changes != call->changes_now(); }

  std::shared_ptr<const NetworkCall> call;
  std::size_t output;
};

// An output of a call as ordinary ops of the recording.
Tensor unfolded(const Tensor& t, Expansion& expansion);

// A leaf that lives in a network.
struct ParameterPlace final : ExpandingCallee {
  ParameterPlace(Network of, std::size_t which) : net(std::move(of)), index(which) {}
  std::uint64_t key() const override;
  Tensor build(Expansion& expansion, const std::vector<Tensor>& inputs, std::uint32_t stream) const override;
  const Network* network() const override { return &net; }
  const ParameterInfo* parameter() const override { return &net.parameters()[index]; }
  Tensor op() const;

  Network net;
  std::size_t index;
};

Tensor parameter_leaf(const Network& network, std::size_t i);

struct LossCall final : ExpandingCallee {
  LossCall(Loss of, bool is_weighted) : loss(std::move(of)), weighted(is_weighted) {}
  std::uint64_t key() const override;
  Tensor build(Expansion& expansion, const std::vector<Tensor>& inputs, std::uint32_t stream) const override;

  Loss loss;
  bool weighted;
};

}  // namespace backpass::eager
