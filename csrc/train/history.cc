// What a fit tells: the columns of its history, and that it diverged.
#include "backpass/trainer.h"
#include "base/error.h"

namespace backpass {

DivergedError::DivergedError(int at_epoch, Dim at_batch, std::string at_layer)
    : std::runtime_error(message("fit", "the loss, its gradient or the update is not finite in epoch ", at_epoch,
                                 ", batch ", at_batch, "; first in ", at_layer,
                                 "; the network keeps the weights from before this step; a tenth of the learning "
                                 "rate, clip_norm or inputs near 1 may help")),
      epoch(at_epoch),
      batch(at_batch),
      layer(std::move(at_layer)) {}

DivergedError::DivergedError(int at_epoch, std::string what)
    : std::runtime_error(message("fit", what, " is not finite in epoch ", at_epoch, "; the model keeps its weights")),
      epoch(at_epoch),
      batch(0),
      layer(std::move(what)) {}

const std::vector<double>& History::operator[](const std::string& name) const {
  for (const auto& [key, values] : columns)
    if (key == name) return values;
  throw std::out_of_range(message("History", "has no \"", name, '"'));
}

}  // namespace backpass
