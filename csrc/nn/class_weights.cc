// Weights of rows by their classes.
#include <algorithm>
#include <cmath>

#include "backpass/losses.h"
#include "base/error.h"
#include "nn/targets.h"
#include "plan/boundary.h"

namespace backpass {
namespace {

// The class of a row; -1 where the label is none.
Dim class_at(const ArrayView& labels, Dim row, Dim classes) {
  const double label = element(labels, row);
  const bool is_class = label >= 0 && label < static_cast<double>(classes) && label == std::floor(label);
  return is_class ? static_cast<Dim>(label) : -1;
}

}  // namespace

std::vector<double> balanced_class_weights(const ArrayView& labels, Dim classes, std::optional<Dim> ignore_index) {
  check_present("labels", labels);
  std::vector<double> counts(static_cast<std::size_t>(classes));
  double all = 0;
  for (Dim row = 0; row < labels.rows(); ++row) {
    const double given = element(labels, row);
    if (ignore_index && given == static_cast<double>(*ignore_index)) continue;
    const Dim label = class_at(labels, row, classes);
    if (label < 0)
      fail("balanced_class_weights", "labels must be integers in [0, ", classes, ") or ignore_index, got ", given,
           " in row ", row);
    ++counts[static_cast<std::size_t>(label)];
    ++all;
  }
  const auto occur = static_cast<double>(std::count_if(counts.begin(), counts.end(), [](double n) { return n > 0; }));
  for (double& count : counts) count = count > 0 ? all / (occur * count) : 0;
  return counts;
}

std::vector<double> class_sample_weights(const ArrayView& labels, const std::vector<double>& class_weight,
                                         const ArrayView& sample_weight) {
  check_present("labels", labels);
  if (!sample_weight.shape.empty()) check_shape("sample_weight", sample_weight, {labels.rows()});
  std::vector<double> weights;
  for (Dim row = 0; row < labels.rows(); ++row) {
    const Dim label = class_at(labels, row, static_cast<Dim>(class_weight.size()));
    const double own = label < 0 ? 1 : class_weight[static_cast<std::size_t>(label)];
    weights.push_back(sample_weight.empty() ? own : own * element(sample_weight, row));
  }
  return weights;
}

}  // namespace backpass
