// Gradients of several batches in one buffer, for one update.
#include "train/accumulate.h"

#include <algorithm>
#include <cstring>

namespace backpass {
namespace {

// keep: the share of what the buffer holds; part: the share of this batch.
struct Shares {
  Tensor keep, part;
};

void put(AlignedBuffer& to, DType dtype, double value) {
  if (to.data() == nullptr) to = AlignedBuffer(size_of(DType::float64));
  const float narrow = static_cast<float>(value);
  if (dtype == DType::float64)
    std::memcpy(to.data(), &value, sizeof(value));
  else
    std::memcpy(to.data(), &narrow, sizeof(narrow));
}

}  // namespace

void add_to_gradients(PlanSpec& spec, const Network::Impl& net, const std::vector<Tensor>& parameters,
                      std::vector<Tensor>& grads) {
  const Shares shares{input({}, net.dtype, "keep"), input({}, net.dtype, "part")};
  spec.inputs.push_back({shares.keep, false});
  spec.inputs.push_back({shares.part, false});
  for (std::size_t i = 0; i < grads.size(); ++i) {
    const Tensor before = input(parameters[i].shape(), net.dtype, "grad " + parameters[i].name());
    spec.leaves[&before.op()] = {kGradients, net.places.at(&parameters[i].op()).offset};
    grads[i] = before * shares.keep + grads[i] * shares.part;
  }
}

// A running mean: the buffer holds the mean of all batches so far after each of them, whatever follows.
double Trainer::Impl::accumulate(const Batch& batch, double& weight) {
  const double own = weight_of((*batch.targets)[0], batch.rows, batch.count);
  if (weight == 0) std::fill_n(net().gradient_data(), net().bytes(), std::byte{0});  // it may hold nan
  weight += own;
  const double part = weight > 0 ? own / weight : 0;  // rows that weigh nothing change nothing
  put(shares[0], net().dtype, 1 - part);
  put(shares[1], net().dtype, part);
  // States move with every batch, in what is an update phase without an update.
  return walk(training_plan(batch.count, *batch.targets, batch.predict, Ending::accumulate), batch, Phase::update);
}

}  // namespace backpass
