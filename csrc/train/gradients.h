// The gradients that a training step needs.
#pragma once

#include "nn/network_impl.h"

namespace backpass {

struct TrainingGradients {
  std::vector<Tensor> parameters, gradients;  // one for each; none for what is frozen
  std::vector<RowsUpdate> tables;             // sparse parameters, by the rows that are looked up
};

// `by_rows`: sparse parameters are tables; otherwise they are like the others. Throws std::invalid_argument where a
// sparse parameter is used for anything but lookups.
TrainingGradients training_gradients(const Network::Impl& net, const Tensor& loss, bool by_rows);

}  // namespace backpass
