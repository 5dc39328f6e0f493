// Metrics of one's own: decisions and probabilities in place of outputs.
#include <cmath>

#include "train/metrics.h"

namespace backpass {
namespace {

// Targets and predictions, row after row.
struct Shown {
  std::vector<double> truth, said;
};

void show_labels(Shown& shown, std::span<const double> t, std::span<const double> p, const Outputs& outputs) {
  if (!outputs.yes_no(p.size())) {
    shown.truth.push_back(static_cast<double>(class_of(t, p.size())));
    shown.said.push_back(static_cast<double>(argmax(p)));
    return;
  }
  check_columns(t.size(), p.size());
  for (std::size_t i = 0; i < p.size(); ++i) {
    shown.truth.push_back(t[i] > 0.5 ? 1 : 0);
    shown.said.push_back(outputs.says_yes(p[i]) ? 1 : 0);
  }
}

void replace_by_probabilities(std::vector<double>& said, std::size_t labels, std::span<const double> p,
                              const Outputs& outputs) {
  said.resize(said.size() - labels);
  if (outputs.yes_no(p.size())) {
    for (const double z : p) said.push_back(outputs.kind == Outputs::yes_no_logits ? 1 / (1 + std::exp(-z)) : z);
    return;
  }
  double total = 0;
  const double most = p[argmax(p)];
  for (const double z : p) total += std::exp(z - most);
  for (const double z : p) said.push_back(std::exp(z - most) / total);
}

template <class T>
Array to_array(const std::vector<double>& values, DType dtype, std::size_t columns, bool flat) {
  const Dim rows = static_cast<Dim>(values.size() / columns);
  Array array(dtype, flat ? Shape{rows} : Shape{rows, static_cast<Dim>(columns)});
  for (std::size_t i = 0; i < values.size(); ++i) array.values<T>()[i] = static_cast<T>(values[i]);
  return array;
}

}  // namespace

Metric shown_as(Metric function, MetricInput input, const Outputs& outputs) {
  if (input == MetricInput::outputs) return function;
  return [function = std::move(function), input, outputs](const ArrayView& y_true, const ArrayView& y_pred) {
    const Part all{y_true, nullptr, y_pred};
    const std::size_t columns = predicted_columns(all, outputs);
    const bool yes_no = outputs.yes_no(columns);
    const std::size_t labels = yes_no ? columns : 1;
    const bool scores = input == MetricInput::probabilities;
    if (scores && !yes_no && outputs.kind != Outputs::class_logits)
      fail("metric", "probabilities need a loss of classes, such as CrossEntropy or BinaryCrossEntropy");
    Shown shown;
    each_row(all, outputs, [&](std::span<const double> t, std::span<const double> p) {
      show_labels(shown, t, p, outputs);
      if (scores) replace_by_probabilities(shown.said, labels, p, outputs);
    });
    const Array truth = to_array<std::int32_t>(shown.truth, DType::int32, labels, labels == 1);
    const Array said = scores ? to_array<double>(shown.said, DType::float64, columns, columns == 1)
                              : to_array<std::int32_t>(shown.said, DType::int32, labels, labels == 1);
    return function(truth, said);
  };
}

}  // namespace backpass
