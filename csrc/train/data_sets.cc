// Checking and evaluating data sets.
#include "train/data_sets.h"

#include <cmath>

#include "base/error.h"
#include "train/evaluate.h"
#include "train/stream_feed.h"

namespace backpass {
namespace {

CheckedSet checked(const Objective::Impl& of_all, const DataSet& set, const Metrics& metrics, const std::string& name,
                   bool check_finite) {
  if (!std::isfinite(set.weight)) fail("fit", "weight of a data set must be finite, got ", set.weight);
  if (set.batch_size < 0) fail("fit", "batch_size of a data set must not be negative, got ", set.batch_size);
  CheckedSet result{&set, set.metrics ? &*set.metrics : &metrics, name,
                    Objective::Impl::make(of_all.network, set.losses.value_or(of_all.losses), of_all.options, "fit")};
  result.objective->share = set.weight;
  if (set.stream) {
    check_stream(*set.stream);
    check_metrics(of_all.net(), *result.metrics, nullptr);
    return result;
  }
  const Dim rows = check_rows(*result.objective, set.data, "", check_finite, result.targets);
  require_some_weight(set.data.sample_weight);
  if (rows == 0) fail("fit", "needs at least one row");
  check_metrics(of_all.net(), *result.metrics, set.transform ? nullptr : &result.targets);
  return result;
}

void check_names(const std::vector<CheckedSet>& sets) {
  for (std::size_t i = 0; i < sets.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (sets[i].name == sets[j].name)
        fail("fit", "data sets need names of their own, got \"", sets[i].name, "\" twice");
}

}  // namespace

std::string column_of(const std::string& column, const CheckedSet& set, bool alone) {
  return alone ? column : column + "_" + set.name;
}

std::vector<CheckedSet> checked_sets(const Objective::Impl& of_all, const std::vector<DataSet>& sets,
                                     const Metrics& metrics, bool check_finite, const char* what) {
  if (sets.empty()) fail("fit", "needs at least one data set");
  std::vector<CheckedSet> result;
  for (std::size_t i = 0; i < sets.size(); ++i) {
    const std::string name = sets[i].name.empty() ? std::to_string(i) : sets[i].name;
    const auto check = [&] { return checked(of_all, sets[i], metrics, name, check_finite); };
    result.push_back(naming(name, check, what));
    if (i > 0) result[i].objective->options.weight_penalty.clear();
  }
  check_names(result);
  return result;
}

std::vector<std::string> columns_of(const std::vector<CheckedSet>& sets, const std::string& prefix) {
  const bool alone = sets.size() == 1;
  std::vector<std::string> columns{prefix + "loss"};
  for (const CheckedSet& set : sets)
    if (!alone) columns.push_back(column_of(prefix + "loss", set, alone));
  for (const CheckedSet& set : sets)
    for (const auto& metric : *set.metrics) columns.push_back(column_of(prefix + metric.first, set, alone));
  return columns;
}

Logs evaluate_sets(const std::vector<CheckedSet>& sets, int threads, bool check_finite, const std::string& prefix) {
  const bool alone = sets.size() == 1;
  Logs logs{{prefix + "loss", 0.0}}, metrics;
  for (const CheckedSet& set : sets) {
    const Logs own = naming(set.name, [&] {
      return set.streams() ? evaluate_stream(*set.objective, *set.set->stream, *set.metrics, threads, check_finite, "")
                           : evaluate_arrays(*set.objective, set.set->data.x, set.targets, *set.metrics, threads, "");
    });
    logs[0].second += set.set->weight * own[0].second;
    if (!alone) logs.emplace_back(column_of(prefix + "loss", set, alone), own[0].second);
    for (std::size_t i = own.size() - set.metrics->size(); i < own.size(); ++i)
      metrics.emplace_back(column_of(prefix + own[i].first, set, alone), own[i].second);
  }
  logs.insert(logs.end(), metrics.begin(), metrics.end());
  return logs;
}

Logs Objective::evaluate(const std::vector<DataSet>& sets, const Metrics& metrics, bool check_finite) {
  const InUse use(impl_->net().users, Use::calls_back);
  return evaluate_sets(checked_sets(*impl_, sets, metrics, check_finite), impl_->options.threads, check_finite, "");
}

}  // namespace backpass
