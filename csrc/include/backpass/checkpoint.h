// Where a fit is, and going on from there.
#pragma once

#include "backpass/trainer.h"

namespace backpass {

// Losses of batches added up, by output: each mean times what its rows weigh, and those weights.
struct LossSums {
  std::vector<double> sums = {}, weights = {};
};

// What a fit knows between two updates, beside the network and the optimizer.
struct FitState {
  int epoch = 0;                                // under way, from 0
  Dim batch = 0, rows = 0;                      // done in this epoch
  LossSums losses = {};                         // of the same
  double penalty_sum = 0;                       // of their penalties on weights, each times its rows
  double added_sum = 0;                         // of what layers added to their losses, likewise
  double learning_rate = 0;                     // of the last update
  std::optional<double> initial_rate = {};      // of the optimizer when fit was called; older files do not tell
  std::uint64_t order = 0;                      // of the rows of this epoch: number of a random stream
  std::uint64_t own_steps = 0, own_epochs = 0;  // counted from 0 where fit has a seed of its own
  bool stopped = false;
  History history = {};
  std::vector<Array> gathered = {};  // what metrics have of this epoch
  // What must be the same when it goes on, as far as a file tells: batch_size, loss, a sample of the data, ...
  std::vector<std::pair<std::string, std::string>> settings = {};
  // Set by a fit that would go on, and called with what was written before anything changes: throws
  // std::invalid_argument where that cannot be of this fit.
  std::function<void(const FitState& written)> check = {};
};

// What others add to a checkpoint: a text, and arrays by name. The views belong to somebody else.
struct CheckpointNotes {
  std::string text;
  std::vector<std::pair<std::string, ArrayView>> arrays;
};

// One file, replaced as a whole: whoever reads, also after a kill, sees the old checkpoint or the new one. It holds the
// network with its parameters, states and random counters, the optimizer's state, and where the fit is.
// Throws FileError where the file cannot be written (docs/training.md says what is kept of one that is there),
// and std::invalid_argument where the network cannot be saved.
void write_checkpoint(const std::string& path, const Network& network, const Optimizer& optimizer,
                      const FitState& state, const CheckpointNotes& notes = {});

// Puts back what was written; false where there is no such file. `accept` sees the notes after everything else has been
// checked, and may refuse. Throws std::invalid_argument where the file is damaged, or is of another network, optimizer
// or fit (state.settings); nothing has changed then. The optimizer's learning rate is the file's, unless it comes with
// another than the fit was called with (state.initial_rate): then that one. That a stream has fewer rows than were
// trained on shows later: then the network is as it was written.
bool read_checkpoint(const std::string& path, Network& network, Optimizer& optimizer, FitState& state,
                     const std::function<void(const CheckpointNotes&)>& accept = {});

// A fit that keeps where it is in a file and, where there is one already, goes on from there:
//   trainer.fit(x, y, {.epochs = 100, .checkpoint = resumable("fit.checkpoint")});
// It ends with the bits of a fit that was never interrupted.
Checkpointing resumable(const std::string& path);

}  // namespace backpass
