// Keeping, and telling whether what was kept belongs to this fit.
#include "train/keeper.h"

#include <algorithm>

#include "base/error.h"

namespace backpass {

Keeper::Keeper(const Checkpointing& options) : options_(options) {
  if (options.every_batches < 0 || options.every_epochs < 0 || !(options.every_seconds >= 0))
    fail("checkpoint", "every_batches, every_epochs and every_seconds must not be negative");
}

bool Keeper::resume(Trainer::Impl& trainer, FitState& state) const {
  return options_.read && options_.read(trainer.network, trainer.optimizer, state);
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
  options_.write(trainer.network, trainer.optimizer, state);
  written_ = Clock::now();
  due_ = false;
  written_epoch_ = state.batch == 0 ? state.epoch : -1;
  written_stopped_ = state.stopped;
}

void Keeper::end(Trainer::Impl& trainer, FitState& state) {
  if (!options_.write) return;
  if (written_epoch_ != state.epoch || written_stopped_ != trainer.stopped) write(trainer, state);
}

namespace {

// FNV-1a, 64 bits.
class Hash {
 public:
  void add(const void* data, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i)
      value_ = (value_ ^ static_cast<const std::uint8_t*>(data)[i]) * 0x100000001b3;
  }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325;
};

constexpr Dim kSampledRows = 32;

// Some rows, from the first to the last.
std::string sample(const ArrayView& view) {
  if (view.empty()) return "none";
  Hash hash;
  const Dim rows = view.rows(), step = std::max<Dim>(1, rows / kSampledRows);
  const std::size_t bytes = static_cast<std::size_t>(element_count(view.shape) / rows) * size_of(view.type);
  for (Dim row = 0; row < rows; row += step)
    hash.add(static_cast<const std::byte*>(view.data) + row * view.row_stride, bytes);
  return to_string(view.shape) + " #" + std::to_string(hash.value());
}

}  // namespace

std::vector<std::pair<std::string, std::string>> settings_of(const FitOptions& options, const ArrayViews* x,
                                                             const AllTargets* targets, const History& history) {
  std::string columns;
  for (const auto& column : history.columns) columns += column.first + ' ';
  std::vector<std::pair<std::string, std::string>> settings = {
      {"batch_size", std::to_string(options.batch_size)},
      {"accumulate", std::to_string(options.accumulate)},
      {"shuffle", options.shuffle ? "true" : "false"},
      {"seed", options.seed ? std::to_string(*options.seed) : "none"},
      {"columns of the history", columns}};
  if (!x) return settings.emplace_back("x", "a stream"), settings;
  for (std::size_t i = 0; i < x->size(); ++i) settings.emplace_back("x", sample((*x)[i]));
  for (const Targets& t : *targets) settings.emplace_back("y", sample(t.y));
  settings.emplace_back("sample_weight", sample((*targets)[0].sample_weight));
  return settings;
}

}  // namespace backpass
