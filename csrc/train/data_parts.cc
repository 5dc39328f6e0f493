// Checking data sets, and drawing from them.
#include "train/data_parts.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "train/evaluate.h"
#include "train/fit_settings.h"

namespace backpass {
namespace {

void check_options_of_sets(const FitOptions& options) {
  if (options.hooks.transform) fail("fit", "augment takes rows that are no list of data sets");
  if (options.hooks.order) fail("fit", "shuffle takes a function for rows that are no list of data sets");
  if (options.accumulate > 1) fail("fit", "accumulate takes rows that are no list of data sets");
  if (!options.metrics.empty())
    fail("metrics", "take rows that are no list of data sets: evaluate() gives those of each");
}

// Rows of a set, refused with the name of the set.
template <class Call>
auto naming(const std::string& name, Call call) try {
  return call();
} catch (const std::invalid_argument& error) {
  throw std::invalid_argument(std::string(error.what()) + ", in data set " + name);
}

}  // namespace

DataParts::DataParts(Trainer::Impl& trainer, const std::vector<DataSet>& sets, const FitOptions& options) {
  if (sets.empty()) fail("fit", "needs at least one data set");
  check_options_of_sets(options);
  for (std::size_t i = 0; i < sets.size(); ++i) {
    const std::string name = sets[i].name.empty() ? std::to_string(i) : sets[i].name;
    parts_.push_back(naming(name, [&] { return made(trainer, sets[i], options, i); }));
    parts_.back().name = name;
  }
  for (DataPart& part : parts_) part.feed = std::make_unique<ArrayFeed>(*part.x, part.targets, part.cut);
  for (std::size_t i = 1; i < parts_.size(); ++i)
    if (parts_[i].feed->batches() > lead().feed->batches()) lead_ = i;
  check_names();
}

DataPart DataParts::made(Trainer::Impl& trainer, const DataSet& set, const FitOptions& options, std::size_t i) const {
  if (!std::isfinite(set.weight)) fail("fit", "weight of a data set must be finite, got ", set.weight);
  if (set.batch_size < 0) fail("fit", "batch_size of a data set must not be negative, got ", set.batch_size);
  const Objective::Impl& of_all = trainer.objective;
  ObjectiveOptions own = of_all.options;
  if (i > 0) own.weight_penalty.clear();
  const auto objective = Objective::Impl::make(of_all.network, set.losses.value_or(of_all.losses), own, "fit");
  objective->share = set.weight;
  DataPart part{.trainer = std::unique_ptr<Trainer::Impl>(
                    new Trainer::Impl{Objective(objective), trainer.optimizer, trainer.by_hand}),
                .x = &set.data.x,
                .targets = {},
                .cut = {set.batch_size > 0 ? set.batch_size : options.batch_size, options.shuffle, options.drop_last},
                .weight = set.weight,
                .name = {}};
  const Dim rows = check_rows(*objective, set.data, "", options.check_finite, part.targets);
  require_some_weight(set.data.sample_weight);
  if (rows == 0) fail("fit", "needs at least one row");
  if (options.drop_last && rows < part.cut.batch_size)
    fail("fit", "drop_last leaves no row: there are fewer than batch_size = ", part.cut.batch_size);
  return part;
}

void DataParts::check_names() const {
  for (std::size_t i = 0; i < parts_.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (parts_[i].name == parts_[j].name)
        fail("fit", "data sets need names of their own, got \"", parts_[i].name, "\" twice");
}

DataParts::Ending DataParts::ending(std::size_t i) const {
  const bool first = i == 0, last = i + 1 == parts_.size();
  if (first) return last ? Ending::update : Ending::gradients;
  return last ? Ending::sum_update : Ending::sum;
}

bool DataParts::compile() {
  bool shared = false;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    DataPart& part = parts_[i];
    const Dim rows = (*part.x)[0].rows(), full = std::min(part.cut.batch_size, rows), rest = rows % full;
    shared = part.trainer->training_plan(full, part.targets, false, ending(i)).shared() || shared;
    if (rest > 0 && !part.cut.drop_last) part.trainer->training_plan(rest, part.targets, false, ending(i));
  }
  return shared;
}

void DataParts::begin_epoch(std::uint64_t seed, std::uint64_t order) {
  constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15;  // spreads the parts' keys
  for (std::size_t i = 0; i < parts_.size(); ++i)
    parts_[i].feed->begin_epoch(
        RandomSequence(seed ^ (kGolden * i), RandomUse::shuffle, static_cast<std::uint32_t>(order)));
}

void DataParts::skip(Dim batches) {
  for (DataPart& part : parts_)
    for (Dim i = 0; i < batches; ++i) part.feed->next();
}

void DataParts::add_settings(std::vector<std::pair<std::string, std::string>>& settings) const {
  for (const DataPart& part : parts_)
    add_data_settings(settings, part.trainer->objective, *part.x, part.targets, part.cut.batch_size);
}

double mean_loss(const LossSums& sums, const DataParts& parts) {
  double total = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) total += parts[i].weight * mean_of(sums, i);
  return total;
}

void log_losses(const LossSums& sums, const DataParts& parts, Logs& logs) {
  logs.emplace_back("loss", mean_loss(sums, parts));
  for (std::size_t i = 0; parts.size() > 1 && i < parts.size(); ++i)
    logs.emplace_back("loss_" + parts[i].name, mean_of(sums, i));
}

}  // namespace backpass
