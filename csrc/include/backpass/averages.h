// Averages of the weights over training.
#pragma once

#include "backpass/network.h"
#include "backpass/schedules.h"

namespace backpass {

// average <- decay average + (1 - decay) w after every update (Polyak and Juditsky 1992), from the `start`th on.
struct EMA {
  double decay = 0.999;
  std::int64_t start = 0;
};

// The mean of the weights at the ends of epochs, from start_epoch on (Izmailov et al. 2018).
struct SWA {
  std::int64_t start_epoch = 0;
};

// What a checkpoint must keep of an average.
struct AverageState {
  std::int64_t seen = 0, updates = 0;
  Array values;  // (n_parameters); empty before the first update
};

// A running average of a network's parameters; a shared handle. States, such as the running statistics of BatchNorm,
// stay those of the network: forward(x, true) over the data refreshes them for averaged parameters. The first update
// copies. Settings out of range throw std::invalid_argument here.
class Average {
 public:
  Average(const EMA& ema);  // NOLINT: descriptions convert
  Average(const SWA& swa);  // NOLINT

  Per per() const;               // what fit updates it after: steps or epochs
  std::int64_t updates() const;  // how many sets of weights are in the average
  // Takes the network's parameters in, or passes them by where its start has not come. Throws std::invalid_argument
  // for a network of other size or type than the first.
  void update(Network& network);
  // The network's parameters become the average; swap keeps them in its place. Throw std::invalid_argument where there
  // is no average yet.
  void apply(Network& network) const;
  void swap(Network& network);

  AverageState state() const;  // a copy
  void load_state(const AverageState& state);

 private:
  struct Impl;
  Handle<Impl, "Average"> impl_;
};

}  // namespace backpass
