// Metrics of errors.
#include <cmath>

#include "train/metrics.h"

namespace backpass {
namespace {

// Calls f(targets, predictions) for each row.
template <class F>
void each_pair(const Part& part, const Outputs& outputs, F f) {
  each_plain_row(part, outputs, [&](auto t, auto p, Dim) {
    check_columns(t.size(), p.size());
    f(t, p);
  });
}

double square_of(double x) { return x * x; }

// The sum of f(target - prediction) over a row, as four side by side: one alone waits for each addition.
template <class Truth, class Prediction, class F>
double sum_of_errors(Truth t, Prediction p, F f) {
  constexpr std::size_t side_by_side = 4;
  double sums[side_by_side] = {};
  const std::size_t whole = t.size() - t.size() % side_by_side;
  const auto error = [&](std::size_t i) { return f(static_cast<double>(t[i]) - static_cast<double>(p[i])); };
  for (std::size_t i = 0; i < whole; i += side_by_side)
    for (std::size_t j = 0; j < side_by_side; ++j) sums[j] += error(i + j);
  for (std::size_t i = whole; i < t.size(); ++i) sums[0] += error(i);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

// f(target - prediction) of all elements, and how many there are.
template <class F>
void add_errors(std::span<double> tally, const Part& part, const Outputs& outputs, F f) {
  double total = 0, count = 0;
  each_pair(part, outputs, [&](auto t, auto p) {
    total += sum_of_errors(t, p, f);
    count += static_cast<double>(t.size());
  });
  tally[0] += total;
  tally[1] += count;
}

void add_sizes(std::span<double> tally, const Part& part, const Outputs& outputs, Dim) {
  add_errors(tally, part, outputs, [](double error) { return std::fabs(error); });
}

void add_squares(std::span<double> tally, const Part& part, const Outputs& outputs, Dim) {
  add_errors(tally, part, outputs, square_of);
}

void keep_largest(std::span<double> tally, const Part& part, const Outputs& outputs, Dim) {
  each_pair(part, outputs, [&](auto t, auto p) {
    for (std::size_t i = 0; i < t.size(); ++i) {
      const double size = std::fabs(static_cast<double>(t[i]) - static_cast<double>(p[i]));
      tally[0] = size > tally[0] || std::isnan(size) ? size : tally[0];
    }
  });
}

double root_mean(std::span<const double> tally, const Outputs&, std::size_t) { return std::sqrt(tally[0] / tally[1]); }
double largest(std::span<const double> tally, const Outputs&, std::size_t) { return tally[0]; }

// 1 - residual / total sum of squares, outputs averaged uniformly as scikit-learn does.
double r2(const Part& all, const Outputs& outputs) {
  const double rows = static_cast<double>(all.y_true.rows());
  const std::size_t columns = static_cast<std::size_t>(row_elements(all.y_true));
  std::vector<double> mean(columns), residual(columns), total(columns);
  each_pair(all, outputs, [&](auto t, auto) {
    for (std::size_t i = 0; i < columns; ++i) mean[i] += t[i];
  });
  for (double& sum : mean) sum /= rows;
  each_pair(all, outputs, [&](auto t, auto p) {
    for (std::size_t i = 0; i < columns; ++i) {
      residual[i] += square_of(static_cast<double>(t[i]) - static_cast<double>(p[i]));
      total[i] += square_of(t[i] - mean[i]);
    }
  });
  double score = 0;
  for (std::size_t i = 0; i < columns; ++i)
    score += total[i] > 0 ? 1 - residual[i] / total[i] : residual[i] == 0 ? 1.0 : 0.0;
  return score / static_cast<double>(columns);
}

}  // namespace

std::span<const MetricRow> regression_metrics() {
  static const MetricRow rows[] = {
      {{"mae", false, "mean of |target - prediction| over all elements"}, false, Tallied{add_sizes, mean_of}},
      {{"mse", false, "mean of (target - prediction)^2 over all elements"}, false, Tallied{add_squares, mean_of}},
      {{"rmse", false, "the root of mse"}, false, Tallied{add_squares, root_mean}},
      {{"r2", true, "1 - residual / total sum of squares, mean over outputs"}, false, {}, r2},
      {{"max_error", false, "the largest |target - prediction|"}, false, Tallied{keep_largest, largest, 1}},
  };
  return rows;
}

}  // namespace backpass
