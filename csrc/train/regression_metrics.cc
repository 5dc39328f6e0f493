// Metrics of errors.
#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "base/error.h"
#include "train/metrics.h"

namespace backpass {
namespace {

// Calls f(targets, predictions) for each row.
template <class F>
void each_pair(const ArrayView& y_true, const ArrayView& y_pred, const Outputs& outputs, F f) {
  each_row(y_true, y_pred, outputs, [&](const std::vector<double>& t, const std::vector<double>& p) {
    if (t.size() != p.size()) fail("metric", "targets have ", t.size(), " values per row, predictions ", p.size());
    f(t, p);
  });
}

// Calls f(output, target, prediction) for each element.
template <class F>
void each_element(const ArrayView& y_true, const ArrayView& y_pred, const Outputs& outputs, F f) {
  each_pair(y_true, y_pred, outputs, [&](const std::vector<double>& t, const std::vector<double>& p) {
    for (std::size_t i = 0; i < t.size(); ++i) f(i, t[i], p[i]);
  });
}

double square_of(double x) { return x * x; }

// The mean of f(target - prediction) over all elements.
template <class F>
double mean_error(const ArrayView& y_true, const ArrayView& y_pred, const Outputs& outputs, F f) {
  double total = 0, count = 0;
  each_pair(y_true, y_pred, outputs, [&](const std::vector<double>& t, const std::vector<double>& p) {
    // Several sums side by side: one alone waits for each addition.
    total += std::transform_reduce(t.begin(), t.end(), p.begin(), 0.0, std::plus<>(),
                                   [&](double truth, double prediction) { return f(truth - prediction); });
    count += static_cast<double>(t.size());
  });
  return total / count;
}

}  // namespace

double mae(const ArrayView& y_true, const ArrayView& y_pred, const Outputs& outputs) {
  return mean_error(y_true, y_pred, outputs, [](double error) { return std::fabs(error); });
}

double mse(const ArrayView& y_true, const ArrayView& y_pred, const Outputs& outputs) {
  return mean_error(y_true, y_pred, outputs, square_of);
}

double rmse(const ArrayView& y_true, const ArrayView& y_pred, const Outputs& outputs) {
  return std::sqrt(mse(y_true, y_pred, outputs));
}

double max_error(const ArrayView& y_true, const ArrayView& y_pred, const Outputs& outputs) {
  double most = 0;
  each_element(y_true, y_pred, outputs, [&](std::size_t, double t, double p) {
    const double size = std::fabs(t - p);
    most = size > most || std::isnan(size) ? size : most;
  });
  return most;
}

// 1 - residual / total sum of squares, outputs averaged uniformly as scikit-learn does.
double r2(const ArrayView& y_true, const ArrayView& y_pred, const Outputs& outputs) {
  const Dim rows = y_true.rows();
  const std::size_t columns = static_cast<std::size_t>(rows > 0 ? element_count(y_true.shape) / rows : 0);
  std::vector<double> mean(columns), residual(columns), total(columns);
  each_element(y_true, y_pred, outputs,
               [&](std::size_t i, double t, double) { mean[i] += t / static_cast<double>(rows); });
  each_element(y_true, y_pred, outputs, [&](std::size_t i, double t, double p) {
    residual[i] += square_of(t - p);
    total[i] += square_of(t - mean[i]);
  });
  double score = 0;
  for (std::size_t i = 0; i < columns; ++i)
    score += total[i] > 0 ? 1 - residual[i] / total[i] : residual[i] == 0 ? 1.0 : 0.0;
  return score / static_cast<double>(columns);
}

}  // namespace backpass
