// Metrics by name.
#include <cmath>
#include <functional>

#include "backpass/trainer.h"
#include "base/convert.h"
#include "base/error.h"

namespace backpass {
namespace {

// Rows of an array as doubles, one row at a time.
class Rows {
 public:
  explicit Rows(const ArrayView& view)
      : view_(view), row_(static_cast<std::size_t>(view.rows() > 0 ? element_count(view.shape) / view.rows() : 0)) {}
  Dim rows() const { return view_.rows(); }
  const std::vector<double>& at(Dim row) {
    convert(row_.data(), DType::float64, static_cast<const std::byte*>(view_.data) + row * view_.row_stride, view_.type,
            static_cast<Dim>(row_.size()));
    return row_;
  }

 private:
  const ArrayView& view_;
  std::vector<double> row_;
};

std::size_t argmax(const std::vector<double>& row) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < row.size(); ++i)
    if (row[i] > row[best]) best = i;
  return best;
}

// Of several outputs the largest tells the class, one output by the side of 0.5 that it lies on.
double accuracy(const ArrayView& y_true, const ArrayView& y_pred) {
  Rows truth(y_true), prediction(y_pred);
  double right = 0;
  for (Dim row = 0; row < truth.rows(); ++row) {
    const std::vector<double>&t = truth.at(row), &p = prediction.at(row);
    if (p.size() == 1)
      right += std::lround(t[0]) == (p[0] > 0.5 ? 1 : 0);
    else
      right += (t.size() == 1 ? static_cast<std::size_t>(t[0]) : argmax(t)) == argmax(p);
  }
  return right / static_cast<double>(truth.rows());
}

// A logit above 0 is class 1; the mean over all elements.
double accuracy_of_logits(const ArrayView& y_true, const ArrayView& y_pred) {
  Rows truth(y_true), prediction(y_pred);
  double right = 0;
  for (Dim row = 0; row < truth.rows(); ++row) {
    const std::vector<double>&t = truth.at(row), &p = prediction.at(row);
    for (std::size_t i = 0; i < t.size(); ++i) right += (t[i] > 0.5) == (p[i] > 0);
  }
  return right / static_cast<double>(element_count(y_true.shape));
}

// The mean of f(truth - prediction) over all elements.
double mean_error(const ArrayView& y_true, const ArrayView& y_pred, double (*f)(double)) {
  Rows truth(y_true), prediction(y_pred);
  double total = 0, count = 0;
  for (Dim row = 0; row < truth.rows(); ++row) {
    const std::vector<double>&t = truth.at(row), &p = prediction.at(row);
    if (t.size() != p.size()) fail("metric", "targets have ", t.size(), " values per row, predictions ", p.size());
    for (std::size_t i = 0; i < t.size(); ++i) total += f(t[i] - p[i]);
    count += static_cast<double>(t.size());
  }
  return total / count;
}

double square_of(double x) { return x * x; }

double mae(const ArrayView& y_true, const ArrayView& y_pred) { return mean_error(y_true, y_pred, std::fabs); }
double rmse(const ArrayView& y_true, const ArrayView& y_pred) {
  return std::sqrt(mean_error(y_true, y_pred, square_of));
}

// 1 - residual / total sum of squares, outputs averaged uniformly as scikit-learn does.
double r2(const ArrayView& y_true, const ArrayView& y_pred) {
  Rows truth(y_true), prediction(y_pred);
  const std::size_t outputs = truth.rows() > 0 ? truth.at(0).size() : 0;
  std::vector<double> mean(outputs), residual(outputs), total(outputs);
  for (Dim row = 0; row < truth.rows(); ++row)
    for (std::size_t i = 0; i < outputs; ++i) mean[i] += truth.at(row)[i] / static_cast<double>(truth.rows());
  for (Dim row = 0; row < truth.rows(); ++row) {
    const std::vector<double>&t = truth.at(row), &p = prediction.at(row);
    if (t.size() != p.size()) fail("metric", "targets have ", t.size(), " values per row, predictions ", p.size());
    for (std::size_t i = 0; i < outputs; ++i) {
      residual[i] += square_of(t[i] - p[i]);
      total[i] += square_of(t[i] - mean[i]);
    }
  }
  double score = 0;
  for (std::size_t i = 0; i < outputs; ++i)
    score += total[i] > 0 ? 1 - residual[i] / total[i] : residual[i] == 0 ? 1.0 : 0.0;
  return score / static_cast<double>(outputs);
}

}  // namespace

Metric metric(const std::string& name, const Loss& loss) {
  if (name == "accuracy") return loss.type() == BinaryCrossEntropy{}.type() ? accuracy_of_logits : accuracy;
  if (name == "mae") return mae;
  if (name == "rmse") return rmse;
  if (name == "r2") return r2;
  fail("metric", "unknown metric \"", name, "\"; there are accuracy, mae, rmse, r2");
}

}  // namespace backpass
