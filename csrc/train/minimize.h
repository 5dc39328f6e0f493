// A fit whose epochs are iterations of a minimizer over all rows.
#pragma once

#include "train/data_parts.h"
#include "train/trainer_impl.h"

namespace backpass {

// Throws std::invalid_argument where the options ask for what there is not without single steps, and DivergedError
// where the loss or its gradient are not finite at the start; nothing has changed then.
History minimize(Trainer::Impl& trainer, const ArrayViews& x, const AllTargets& targets, const FitOptions& options);
// The same over several data sets: their losses are added, each times its weight.
History minimize(Trainer::Impl& trainer, const DataParts& parts, const FitOptions& options);
// What it says of data, batches or checkpoints that come in parts.
[[noreturn]] void fail_for_parts(const std::string& optimizer);

}  // namespace backpass
