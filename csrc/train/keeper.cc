// Keeping, and telling whether what was kept is whole.
#include "train/keeper.h"

#include "base/error.h"
#include "train/gathered.h"

namespace backpass {

Keeper::Keeper(const Checkpointing& options) : options_(options) {
  if (options.every_batches < 0 || options.every_epochs < 0 || !(options.every_seconds >= 0))
    fail("checkpoint", "every_batches, every_epochs and every_seconds must not be negative");
}

bool Keeper::resume(Trainer::Impl& trainer, FitState& state, const std::function<void(const FitState&)>& check) const {
  if (!options_.read) return false;
  state.check = check;
  const bool found = options_.read(trainer.network(), trainer.optimizer, state);
  state.check = {};
  if (found) check(state);  // who reads in another way than read_checkpoint may not have asked
  return found;
}

bool Keeper::due(Dim batch, bool look) {
  if (!options_.write) return false;
  due_ = due_ || (options_.every_batches > 0 && batch % options_.every_batches == 0);
  if (look && options_.every_seconds > 0)
    due_ = due_ || Clock::now() - written_ >= std::chrono::duration<double>(options_.every_seconds);
  return due_;
}

bool Keeper::due_after(int epochs) const {
  return options_.write && options_.every_epochs > 0 && epochs % options_.every_epochs == 0;
}

void Keeper::write(Trainer::Impl& trainer, FitState& state) {
  state.stopped = trainer.stopped;
  options_.write(trainer.network(), trainer.optimizer, state);
  written_ = Clock::now();
  due_ = false;
  written_epoch_ = state.batch == 0 ? state.epoch : -1;
  written_stopped_ = state.stopped;
}

void Keeper::end(Trainer::Impl& trainer, FitState& state) {
  if (!options_.write) return;
  if (written_epoch_ != state.epoch || written_stopped_ != trainer.stopped) write(trainer, state);
}

void check_sums(const FitState& written, std::size_t sums, const ArrayViews* x) {
  const bool within = written.batch > 0;
  const std::size_t summed = within ? sums : 0;
  if (within != (written.rows > 0) || written.losses.sums.size() != summed || written.losses.weights.size() != summed)
    fail("resume", "the checkpoint is damaged: its sums do not fit");
  if (x && written.rows > (*x)[0].rows()) fail("resume", "the data has fewer rows than were trained on");
}

void check_gathered(const FitState& written, const Trainer::Impl& trainer, const Targets* in_place,
                    const Metrics& metrics) {
  if (!metrics.empty() && written.batch > 0)
    Gathered::check(written.gathered, trainer.objective, metrics, in_place, written.rows);
  else if (!written.gathered.empty())
    fail("resume", "the checkpoint is damaged: it has values of metrics that are not needed");
}

}  // namespace backpass
