// What a fit that goes on must share with the one that was interrupted.
#pragma once

#include "train/trainer_impl.h"

namespace backpass {

// By names, some of which are there several times; x is null for a stream. Losses and optimizers are told by what they
// call themselves and their settings: not by the code of one's own. New ones come without a change of the format:
// a checkpoint is compared by what it tells.
std::vector<std::pair<std::string, std::string>> settings_of(const Trainer::Impl& trainer, const FitOptions& options,
                                                             const ArrayViews* x, const AllTargets* targets,
                                                             const History& history);

// What tells one of several data sets: its losses and weight, and samples of its rows; x is null for a stream.
void add_data_settings(std::vector<std::pair<std::string, std::string>>& settings, const Objective::Impl& objective,
                       const ArrayViews* x, const AllTargets& targets, Dim batch_size);

}  // namespace backpass
