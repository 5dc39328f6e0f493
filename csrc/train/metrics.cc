// Metrics by name.
#include <charconv>

#include "base/error.h"
#include "train/decisions.h"

namespace backpass {
namespace {

const MetricRow* find_metric(const std::string& name) {
  for (const auto& rows : {classification_metrics(), ranking_metrics(), regression_metrics()})
    for (const MetricRow& row : rows)
      if (name == row.info.name) return &row;
  return nullptr;
}

// The k of "top_k"; 0 where it is none.
Dim find_k(const std::string& name) {
  if (name.rfind("top_", 0) != 0) return 0;
  Dim k = 0;
  const char *begin = name.data() + 4, *end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(begin, end, k);
  return error == std::errc() && stop == end && k > 0 ? k : 0;
}

std::string metric_names() {
  std::string names;
  for (const MetricInfo& info : named_metrics()) names += std::string(info.name) + ", ";
  return names + "and top_k for a number k, such as top_5";
}

Outputs outputs_of(const Loss& loss, std::string_view metric = {}) {
  return {loss.output_kind(), loss.ignored_label(), metric};
}

}  // namespace

std::vector<MetricInfo> named_metrics() {
  std::vector<MetricInfo> metrics;
  for (const auto& rows : {classification_metrics(), ranking_metrics(), regression_metrics()})
    for (const MetricRow& row : rows) metrics.push_back(row.info);
  return metrics;
}

Metric metric(const std::string& name, const Loss& loss) {
  if (const Dim k = find_k(name); k > 0) return NamedMetric(kTopK, outputs_of(loss, "top_k"), true, k);
  const MetricRow* row = find_metric(name);
  if (row == nullptr) fail("metric", "unknown metric \"", name, "\"; there are ", metric_names());
  const Outputs outputs = outputs_of(loss, row->info.name);
  return row->tallied ? NamedMetric(*row->tallied, outputs, row->decides)
                      : NamedMetric(row->of_rows, outputs, row->decides);
}

Metric metric(Metric function, MetricInput input, const Loss& loss) {
  if (!function) fail("metric", "needs a function");
  return shown_as(std::move(function), input, outputs_of(loss));
}

void NamedMetric::check_targets(const ArrayView& y_true, std::size_t columns) const {
  if (!decides_ || checked_by_loss(outputs_)) return;
  RowsAsDoubles targets(y_true, nullptr, static_cast<std::size_t>(row_elements(y_true)));
  for (Dim row = 0; row < y_true.rows(); ++row)
    check_target(targets.at(row), outputs_.predicted(columns), outputs_, row);
}

double NamedMetric::operator()(const ArrayView& y_true, const ArrayView& y_pred) const {
  if (y_true.rows() != y_pred.rows())
    fail("metric", "targets have ", y_true.rows(), " rows, predictions ", y_pred.rows());
  const Part all{y_true, nullptr, y_pred};
  if (!in_parts()) return of_rows_(all, outputs_);
  std::vector<double> tally(tally_size(all.columns()));
  add(tally, all);
  return value(tally, all.columns());
}

// "val_f1_0" is the f1 of output 0, "f1_boundary" that of a data set.
bool metric_rises(const std::string& column) {
  std::string name = column.rfind("val_", 0) == 0 ? column.substr(4) : column;
  if (name.starts_with("top_")) return true;  // ours, and those of somebody else by such a name
  for (std::size_t end = name.size(); end != std::string::npos; end = name.rfind('_')) {
    name.resize(end);
    if (const MetricRow* row = find_metric(name)) return row->info.rises;
  }
  return false;
}

}  // namespace backpass
