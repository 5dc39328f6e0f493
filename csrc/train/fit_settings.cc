// The settings of a fit as texts to compare.
#include "train/fit_settings.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "train/trainer_impl.h"

namespace backpass {
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

std::string text_of(std::string type, const Attributes& settings) {
  for (const auto& [name, value] : settings) type += " " + name + "=" + text_of(value);
  return type;
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

// By output.
std::string text_of(const Losses& losses, std::size_t outputs) {
  std::string text;
  for (std::size_t i = 0; i < losses.terms(outputs); ++i)
    text += (i == 0 ? "" : "; ") + text_of(losses.of(i).type(), losses.of(i).attributes());
  return text;
}

std::string weights_of(const Losses& losses, std::size_t outputs) {
  std::string text;
  for (std::size_t i = 0; i < losses.terms(outputs); ++i)
    text += (i == 0 ? "" : ", ") + text_of(std::optional(losses.weight(i)));
  return text;
}

// Patterns, and what is computed by them.
std::string penalties_of(const Objective::Impl& objective) {
  std::vector<std::string> patterns;
  for (const Penalty& penalty : objective.options.weight_penalty)
    patterns.push_back(penalty.pattern + (penalty.per_row ? " per row" : ""));
  if (patterns.empty()) return joined(patterns);
  const std::string ops = Graph({}, {penalty_of(objective.net(), objective.options.weight_penalty)}).to_string();
  Hash hash;
  hash.add(ops.data(), ops.size());
  return joined(patterns) + " #" + std::to_string(hash.value());
}

void add_samples(std::vector<std::pair<std::string, std::string>>& settings, const ArrayViews& x,
                 const AllTargets& targets) {
  for (std::size_t i = 0; i < x.size(); ++i) settings.emplace_back("x", sample(x[i]));
  for (std::size_t i = 0; i < targets.size(); ++i)
    settings.emplace_back(target_label(targets.names, i), sample(targets[i].y));
  settings.emplace_back("sample_weight", sample(targets.sample_weight));
}

}  // namespace

std::vector<std::pair<std::string, std::string>> settings_of(const Trainer::Impl& trainer, const FitOptions& options,
                                                             const ArrayViews* x, const AllTargets* targets,
                                                             const History& history) {
  const OptimizerOptions& optimizer = trainer.optimizer.state()->options;
  const std::size_t outputs = trainer.net().outputs().size();
  const std::optional<ElementType> narrow = trainer.objective.options.activation_dtype;
  std::string columns;
  for (const auto& column : history.columns) columns += column.first + ' ';
  std::vector<std::pair<std::string, std::string>> settings = {
      {"batch_size", std::to_string(options.batch_size) + (options.drop_last ? ", full ones only" : "")},
      {"accumulate", std::to_string(options.accumulate)},
      {"shuffle", options.hooks.order ? "given"
                  : options.shuffle   ? "true"
                                      : "false"},
      {"seed", options.seed ? std::to_string(*options.seed) : "none"},
      {"loss", text_of(trainer.objective.losses, outputs)},
      {"loss_weights", weights_of(trainer.objective.losses, outputs)},
      {"weight_penalty", penalties_of(trainer.objective)},
      {"augment", options.hooks.transform ? "given" : "none"},
      {"activation_dtype", narrow ? name(*narrow) : "none"},
      {"columns of the history", columns},
      {"clip_norm of the optimizer", text_of(optimizer.clip_norm)},
      {"clip_value of the optimizer", text_of(optimizer.clip_value)},
      {"groups of the optimizer", text_of(optimizer.groups)},
      {"decay of the optimizer", optimizer.decay == Decay::all ? "all" : "matrices"},
      {"schedule of the optimizer", text_of(optimizer.schedule.type(), optimizer.schedule.attributes())},
      {"decay_schedule of the optimizer",
       text_of(optimizer.decay_schedule.type(), optimizer.decay_schedule.attributes())},
      {"what is frozen", joined(trainer.network().frozen())}};
  if (!x) return settings.emplace_back("x", "a stream"), settings;
  add_samples(settings, *x, *targets);
  return settings;
}

void add_data_settings(std::vector<std::pair<std::string, std::string>>& settings, const Objective::Impl& objective,
                       const ArrayViews* x, const AllTargets& targets, Dim batch_size) {
  const std::size_t outputs = objective.net().outputs().size();
  settings.emplace_back("loss", text_of(objective.losses, outputs));
  settings.emplace_back("loss_weights", weights_of(objective.losses, outputs));
  settings.emplace_back("weight of a data set", text_of(std::optional(objective.share)));
  settings.emplace_back("batch_size", std::to_string(batch_size));
  x ? add_samples(settings, *x, targets) : static_cast<void>(settings.emplace_back("x", "a stream"));
}

}  // namespace backpass
