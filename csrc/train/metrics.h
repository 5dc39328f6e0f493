// What metrics share: reading rows, and what the outputs of a network mean.
#pragma once

#include "backpass/trainer.h"
#include "base/convert.h"

namespace backpass {

// What metrics ask of the loss.
struct Outputs {
  enum Kind { numbers, means_and_variances, yes_no_logits, class_logits } kind = numbers;
  std::optional<Dim> ignored;  // rows of this label do not count

  // Of one output per row, or of several that are told apart: the largest is the class.
  bool yes_no(std::size_t columns) const { return kind == yes_no_logits || columns == 1; }
  bool says_yes(double output) const { return output > (kind == yes_no_logits ? 0 : 0.5); }
};

// Rows of an array as doubles, one row at a time.
class Rows {
 public:
  explicit Rows(const ArrayView& view, std::size_t halves = 1)
      : view_(view),
        row_(static_cast<std::size_t>(view.rows() > 0 ? element_count(view.shape) / view.rows() : 0) / halves) {}
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

// Calls f(truth, prediction) for each row that counts. Of means and variances, the means are the prediction.
template <class F>
void each_row(const ArrayView& y_true, const ArrayView& y_pred, const Outputs& outputs, F f) {
  Rows truth(y_true), prediction(y_pred, outputs.kind == Outputs::means_and_variances ? 2 : 1);
  for (Dim row = 0; row < truth.rows(); ++row) {
    const std::vector<double>& t = truth.at(row);
    if (outputs.ignored && t.size() == 1 && t[0] == static_cast<double>(*outputs.ignored)) continue;
    f(t, prediction.at(row));
  }
}

inline std::size_t argmax(const std::vector<double>& row) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < row.size(); ++i)
    if (row[i] > row[best]) best = i;
  return best;
}

// A label, or the largest of a row of probabilities.
inline std::size_t class_of(const std::vector<double>& truth) {
  return truth.size() == 1 ? static_cast<std::size_t>(truth[0]) : argmax(truth);
}

using MetricOfRows = double(const ArrayView& y_true, const ArrayView& y_pred, const Outputs& outputs);

// classification_metrics.cc
MetricOfRows accuracy, balanced_accuracy, precision, recall, f1;
// ranking_metrics.cc
MetricOfRows auc, log_loss;
double top_k_accuracy(const ArrayView& y_true, const ArrayView& y_pred, const Outputs& outputs, Dim k);
// regression_metrics.cc
MetricOfRows mae, mse, rmse, r2, max_error;

}  // namespace backpass
