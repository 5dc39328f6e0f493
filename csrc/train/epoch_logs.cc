// Columns of a history, and validation.
#include "train/epoch_logs.h"

#include <algorithm>

#include "base/error.h"
#include "train/evaluate.h"
#include "train/stream_feed.h"

namespace backpass {
namespace {

constexpr int kEpochsAtOnce = 1024;  // of the history: what comes after is allocated as it comes

std::vector<std::string> columns_of(const Objective::Impl& objective, const FitOptions& options,
                                    const std::string& prefix, const DataParts* parts) {
  std::vector<std::string> names{prefix + "loss"};
  const std::size_t terms = parts ? parts->size() : objective.terms();
  for (std::size_t i = 0; terms > 1 && i < terms; ++i)
    names.push_back(prefix + "loss_" + (parts ? (*parts)[i].name : std::to_string(i)));
  if (prefix.empty() && !objective.options.weight_penalty.empty()) names.emplace_back(kPenaltyColumn);
  if (prefix.empty() && objective.layers_add) names.emplace_back(kAddedColumn);
  if (parts)
    for (std::string& name : parts->metric_columns()) names.push_back(std::move(name));
  for (const auto& metric : options.metrics)
    if (!parts) names.push_back(prefix + metric.first);
  return names;
}

}  // namespace

History empty_history(const Objective::Impl& objective, const FitOptions& options, const HeldOut& held_out,
                      const DataParts* parts) {
  History history;
  const auto add = [&](const std::string& name) {
    history.columns.emplace_back(name, std::vector<double>());
    history.columns.back().second.reserve(static_cast<std::size_t>(std::min(options.epochs, kEpochsAtOnce)));
  };
  for (const std::string& name : columns_of(objective, options, "", parts)) add(name);
  for (const std::string& name : held_out.columns()) add(name);
  add("learning_rate");
  return history;
}

void append(History& history, const Logs& logs) {
  for (std::size_t i = 0; i < logs.size(); ++i) history.columns[i].second.push_back(logs[i].second);
}

void HeldOut::check() {
  if (options_.validation_stream) check_stream(*options_.validation_stream);
  const std::optional<TrainingData>& data = options_.validation_data;
  if (data && check_rows(objective_, *data, "validation ", options_.check_finite, targets_) == 0)
    fail("fit", "validation_data needs at least one row");
  if (data) check_metrics(objective_.net(), options_.metrics, &targets_);
  if (options_.validation_sets.empty()) return;
  sets_ =
      checked_sets(objective_, options_.validation_sets, options_.metrics, options_.check_finite, "validation set ");
}

std::vector<std::string> HeldOut::columns() const {
  if (!sets_.empty()) return backpass::columns_of(sets_, "val_");
  const bool any = options_.validation_data || options_.validation_stream;
  return any ? columns_of(objective_, options_, "val_", nullptr) : std::vector<std::string>();
}

void HeldOut::log(int threads, Logs& logs) const {
  Logs own;
  if (options_.validation_stream)
    own = evaluate_stream(objective_, *options_.validation_stream, options_.metrics, threads, options_.check_finite,
                          "val_");
  else if (options_.validation_data)
    own = evaluate_arrays(objective_, options_.validation_data->x, targets_, options_.metrics, threads, "val_");
  else if (!sets_.empty())
    own = evaluate_sets(sets_, threads, options_.check_finite, "val_");
  logs.insert(logs.end(), own.begin(), own.end());
}

}  // namespace backpass
