// The penalty of a network: one more term of its loss.
#pragma once

#include "backpass/penalties.h"
#include "nn/network_impl.h"

namespace backpass {

// Their sum over a network's parameters, a scalar; absent where there are none. Throws std::invalid_argument where a
// pattern matches no parameter or one that is trained by its rows alone, or a term is no scalar of the network's type.
// `rows`: what those of the batch weigh together, a scalar; absent where nobody asks for the value.
Tensor penalty_of(const Network::Impl& network, const std::vector<Penalty>& penalties, const Tensor& rows = {});

// The sum of what layers add to the loss (add_loss), a scalar; absent where they add nothing.
Tensor added_loss_of(const Network::Impl& network);

}  // namespace backpass
