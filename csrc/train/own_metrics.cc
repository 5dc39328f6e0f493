// Metrics of one's own: decisions and probabilities in place of outputs.
#include <cmath>

#include "train/decisions.h"

namespace backpass {
namespace {

// Targets and predictions, row after row.
struct Shown {
  std::vector<double> truth, said;
};

void show_labels(Shown& shown, std::span<const double> t, std::span<const double> p, const Outputs& outputs,
                 double threshold) {
  if (!outputs.yes_no(p.size())) {
    shown.truth.push_back(static_cast<double>(class_of(t, p.size())));
    shown.said.push_back(static_cast<double>(argmax(p)));
    return;
  }
  check_columns(t.size(), p.size());
  for (std::size_t i = 0; i < p.size(); ++i) {
    shown.truth.push_back(t[i] > 0.5 ? 1 : 0);
    shown.said.push_back(p[i] > threshold ? 1 : 0);
  }
}

void replace_by_probabilities(std::vector<double>& said, std::size_t labels, std::span<const double> p,
                              const Outputs& outputs) {
  said.resize(said.size() - labels);
  if (outputs.yes_no(p.size())) {
    for (const double z : p) said.push_back(outputs.kind == OutputKind::yes_no_logits ? 1 / (1 + std::exp(-z)) : z);
    return;
  }
  if (outputs.kind != OutputKind::class_logits) {
    said.insert(said.end(), p.begin(), p.end());
    return;
  }
  double total = 0;
  const double most = p[argmax(p)];
  for (const double z : p) total += std::exp(z - most);
  for (const double z : p) said.push_back(std::exp(z - most) / total);
}

double threshold_of(const Part& all, std::size_t columns, const Outputs& outputs) {
  std::vector<double> cells(columns * kCells);
  count_yes_no(cells, all, outputs);
  return yes_threshold(cells, outputs);
}

template <class T>
Array to_array(const std::vector<double>& values, DType dtype, std::size_t columns, bool flat) {
  const Dim rows = static_cast<Dim>(values.size() / columns);
  Array array(dtype, flat ? Shape{rows} : Shape{rows, static_cast<Dim>(columns)});
  for (std::size_t i = 0; i < values.size(); ++i) array.values<T>()[i] = static_cast<T>(values[i]);
  return array;
}

}  // namespace

Metric shown_as(Metric function, MetricInput input, Outputs outputs) {
  if (input == MetricInput::outputs) return function;
  const bool scores = input == MetricInput::probabilities;
  outputs.metric = scores ? "a function of probabilities" : "a function of labels";
  return [function = std::move(function), scores, outputs](const ArrayView& y_true, const ArrayView& y_pred) {
    const Part all{y_true, nullptr, y_pred};
    const std::size_t columns = predicted_columns(all, outputs);
    const bool yes_no = outputs.yes_no(columns);
    const std::size_t labels = yes_no ? columns : 1;
    if (scores && !yes_no && outputs.kind == OutputKind::estimates)
      fail("metric", "probabilities need a loss of classes, such as CrossEntropy or BinaryCrossEntropy");
    const double threshold = yes_no ? threshold_of(all, columns, outputs) : 0;
    Shown shown;
    each_row(all, outputs, [&](std::span<const double> t, std::span<const double> p, Dim i) {
      show_labels(shown, t, p, outputs, threshold);
      check_target(t, columns, outputs, i);
      if (scores && !checked_by_loss(outputs)) check_probabilities(p, outputs, i);
      if (scores) replace_by_probabilities(shown.said, labels, p, outputs);
    });
    const Array truth = to_array<std::int32_t>(shown.truth, DType::int32, labels, labels == 1);
    const Array said = scores ? to_array<double>(shown.said, DType::float64, columns, columns == 1)
                              : to_array<std::int32_t>(shown.said, DType::int32, labels, labels == 1);
    return function(truth, said);
  };
}

}  // namespace backpass
