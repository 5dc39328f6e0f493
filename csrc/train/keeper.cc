// Keeping, and telling whether what was kept belongs to this fit.
#include "train/keeper.h"

#include <algorithm>
#include <array>
#include <charconv>

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
  const bool found = options_.read(trainer.network, trainer.optimizer, state);
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

std::string text_of(const std::optional<double>& value) {
  if (!value) return "none";
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), *value).ptr};
}

std::string text_of(const Attribute& attribute) {
  return std::visit(
      []<class T>(const T& value) -> std::string {
        if constexpr (std::is_same_v<T, std::string>) return value;
        if constexpr (std::is_same_v<T, double>) return text_of(std::optional<double>(value));
        if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, std::int64_t>) return std::to_string(value);
        std::string all;
        if constexpr (std::is_same_v<T, std::vector<double>>)
          for (const double each : value) all += text_of(std::optional<double>(each)) + ",";
        return all;
      },
      attribute);
}

std::string text_of(const Schedule& schedule) {
  std::string text = schedule.type();
  for (const auto& [name, value] : schedule.attributes()) text += " " + name + "=" + text_of(value);
  return text;
}

std::string text_of(const std::vector<Group>& groups) {
  std::string text;
  for (const Group& group : groups)
    text += (text.empty() ? "" : "; ") + group.pattern + " learning_rate=" + text_of(group.learning_rate) +
            " weight_decay=" + text_of(group.weight_decay);
  return text.empty() ? "none" : text;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "none" : text;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> settings_of(const Trainer::Impl& trainer, const FitOptions& options,
                                                             const ArrayViews* x, const AllTargets* targets,
                                                             const History& history) {
  const OptimizerOptions& optimizer = trainer.optimizer.state()->options;
  std::string columns;
  for (const auto& column : history.columns) columns += column.first + ' ';
  std::vector<std::pair<std::string, std::string>> settings = {
      {"batch_size", std::to_string(options.batch_size) + (options.drop_last ? ", full ones only" : "")},
      {"accumulate", std::to_string(options.accumulate)},
      {"shuffle", options.shuffle ? "true" : "false"},
      {"seed", options.seed ? std::to_string(*options.seed) : "none"},
      {"columns of the history", columns},
      {"clip_norm of the optimizer", text_of(optimizer.clip_norm)},
      {"clip_value of the optimizer", text_of(optimizer.clip_value)},
      {"groups of the optimizer", text_of(optimizer.groups)},
      {"decay of the optimizer", optimizer.decay == Decay::all ? "all" : "matrices"},
      {"schedule of the optimizer", text_of(optimizer.schedule)},
      {"what is frozen", joined(trainer.network.frozen())}};
  if (!x) return settings.emplace_back("x", "a stream"), settings;
  for (std::size_t i = 0; i < x->size(); ++i) settings.emplace_back("x", sample((*x)[i]));
  for (const Targets& t : *targets) settings.emplace_back("y", sample(t.y));
  settings.emplace_back("sample_weight", sample((*targets)[0].sample_weight));
  return settings;
}

void check_written(const FitState& written, const Trainer::Impl& trainer, const ArrayViews* x, const Targets* in_place,
                   const Metrics& metrics) {
  const std::size_t outputs = trainer.net().outputs().size();
  const bool within = written.batch > 0;
  const std::size_t summed = within ? outputs : 0;
  if (within != (written.rows > 0) || written.losses.sums.size() != summed || written.losses.weights.size() != summed)
    fail("resume", "the checkpoint is damaged: its sums do not fit");
  if (x && written.rows > (*x)[0].rows()) fail("resume", "the data has fewer rows than were trained on");
  if (!metrics.empty() && within)
    Gathered::check(written.gathered, trainer, metrics, in_place, written.rows);
  else if (!written.gathered.empty())
    fail("resume", "the checkpoint is damaged: it has values of metrics that are not needed");
}

}  // namespace backpass
