// Metrics by name.
#include "train/metrics.h"

#include <charconv>

#include "base/error.h"

namespace backpass {
namespace {

struct Entry {
  const char* name;
  MetricOfRows* compute;
  bool rises;  // whether larger is better
};

constexpr Entry kMetrics[] = {
    {"accuracy", accuracy, true},
    {"balanced_accuracy", balanced_accuracy, true},
    {"precision", precision, true},
    {"recall", recall, true},
    {"f1", f1, true},
    {"auc", auc, true},
    {"log_loss", log_loss, false},
    {"mae", mae, false},
    {"mse", mse, false},
    {"rmse", rmse, false},
    {"r2", r2, true},
    {"max_error", max_error, false},
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
  if (const Dim k = find_k(name); k > 0)
    return [outputs, k](const ArrayView& y_true, const ArrayView& y_pred) {
      return top_k_accuracy(y_true, y_pred, outputs, k);
    };
  const Entry* entry = find_metric(name);
  if (entry == nullptr) fail("metric", "unknown metric \"", name, "\"; there are ", metric_names());
  return [outputs, compute = entry->compute](const ArrayView& y_true, const ArrayView& y_pred) {
    return compute(y_true, y_pred, outputs);
  };
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
