// Metrics by name.
#include "train/metrics.h"

#include <charconv>

#include "base/error.h"

namespace backpass {
namespace {

struct Entry {
  const char* name;
  bool rises;  // whether larger is better
  const Tallied* tallied;
  MetricOfRows* of_rows = nullptr;  // instead
};

constexpr Entry kMetrics[] = {
    {"accuracy", true, &kAccuracy},
    {"balanced_accuracy", true, &kBalancedAccuracy},
    {"precision", true, &kPrecision},
    {"recall", true, &kRecall},
    {"f1", true, &kF1},
    {"auc", true, nullptr, auc},
    {"log_loss", false, &kLogLoss},
    {"mae", false, &kMae},
    {"mse", false, &kMse},
    {"rmse", false, &kRmse},
    {"r2", true, nullptr, r2},
    {"max_error", false, &kMaxError},
};

const Entry* find_metric(const std::string& name) {
  for (const Entry& entry : kMetrics)
    if (name == entry.name) return &entry;
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
  for (const Entry& entry : kMetrics) names += std::string(entry.name) + ", ";
  return names + "and top_k for a number k, such as top_5";
}

Outputs outputs_of(const Loss& loss) {
  if (loss.type() == BinaryCrossEntropy{}.type()) return {Outputs::yes_no_logits, {}};
  if (loss.type() == GaussianNLL{}.type()) return {Outputs::means_and_variances, {}};
  return {loss.takes_labels() ? Outputs::class_logits : Outputs::numbers, loss.ignored_label()};
}

}  // namespace

Metric metric(const std::string& name, const Loss& loss) {
  const Outputs outputs = outputs_of(loss);
  if (const Dim k = find_k(name); k > 0) return NamedMetric(kTopK, outputs, k);
  const Entry* entry = find_metric(name);
  if (entry == nullptr) fail("metric", "unknown metric \"", name, "\"; there are ", metric_names());
  return entry->tallied ? NamedMetric(*entry->tallied, outputs) : NamedMetric(entry->of_rows, outputs);
}

Metric metric(Metric function, MetricInput input, const Loss& loss) {
  if (!function) fail("metric", "needs a function");
  return shown_as(std::move(function), input, outputs_of(loss));
}

double NamedMetric::operator()(const ArrayView& y_true, const ArrayView& y_pred) const {
  if (y_true.rows() != y_pred.rows())
    fail("metric", "targets have ", y_true.rows(), " rows, predictions ", y_pred.rows());
  const Part all{y_true, nullptr, y_pred};
  if (!in_parts()) return of_rows_(all, outputs_);
  std::vector<double> tally(tally_size(all.columns()));
  add(tally, all);
  return value(tally);
}

// "val_f1_0" is the f1 of output 0; "top_5" has no output.
bool metric_rises(const std::string& column) {
  const std::string name = column.rfind("val_", 0) == 0 ? column.substr(4) : column;
  const std::size_t number = name.find_last_not_of("0123456789") + 1;
  const bool of_output = number > 1 && number < name.size() && name[number - 1] == '_';
  for (const std::string& one : {name, of_output ? name.substr(0, number - 1) : name}) {
    if (one.starts_with("top_")) return true;  // ours, and those of somebody else by such a name
    if (const Entry* entry = find_metric(one)) return entry->rises;
  }
  return false;
}

}  // namespace backpass
