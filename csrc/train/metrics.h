// What metrics share: reading rows, what the outputs of a network mean, and sums that a value follows from.
#pragma once

#include <algorithm>
#include <limits>
#include <span>
#include <string_view>

#include "backpass/metrics.h"
#include "base/convert.h"
#include "base/error.h"

namespace backpass {

// What metrics ask of the loss, and which one asks.
struct Outputs {
  OutputKind kind = OutputKind::unknown;
  std::optional<Dim> ignored = {};  // rows of this label do not count
  std::string_view metric = {};

  std::size_t predicted(std::size_t columns) const {
    return columns / (kind == OutputKind::means_and_variances ? 2 : 1);
  }
  // Of one prediction per row, or of several that are told apart: the largest is the class.
  bool yes_no(std::size_t predicted) const { return kind == OutputKind::yes_no_logits || predicted == 1; }
};

inline Dim row_elements(const ArrayView& view) { return view.rows() > 0 ? element_count(view.shape) / view.rows() : 0; }

// Predictions, and the targets that they belong to.
struct Part {
  const ArrayView& y_true;
  const std::int64_t* rows;  // which targets; null: the first ones
  const ArrayView& y_pred;

  // Labels of several positions in each row, which count as rows of their own.
  std::size_t positions() const {
    const Shape &truth = y_true.shape, &said = y_pred.shape;
    const bool each = said.size() > 2 && truth.size() + 1 == said.size() &&
                      std::equal(truth.begin() + 1, truth.end(), said.begin() + 1);
    return each ? std::max<std::size_t>(static_cast<std::size_t>(row_elements(y_true)), 1) : 1;
  }
  std::size_t columns() const { return static_cast<std::size_t>(row_elements(y_pred)) / positions(); }
  Dim row(Dim i) const { return rows ? rows[i] : i; }  // of the targets, for prediction i
};

// Rows of an array as they are.
template <class T>
class RowsInPlace {
 public:
  RowsInPlace(const ArrayView& view, const std::int64_t* rows, std::size_t cols)
      : view_(view), rows_(rows), cols_(cols) {}
  std::span<const T> at(Dim i) const {
    const auto* row = static_cast<const std::byte*>(view_.data) + (rows_ ? rows_[i] : i) * view_.row_stride;
    return {reinterpret_cast<const T*>(row), cols_};
  }

 private:
  const ArrayView& view_;
  const std::int64_t* rows_;
  std::size_t cols_;
};

// Rows of any array as doubles, one row at a time.
class RowsAsDoubles {
 public:
  RowsAsDoubles(const ArrayView& view, const std::int64_t* rows, std::size_t cols)
      : in_place_(view, rows, cols), type_(view.type), row_(cols) {}
  std::span<const double> at(Dim i) {
    convert(row_.data(), DType::float64, in_place_.at(i).data(), type_, static_cast<Dim>(row_.size()));
    return row_;
  }

 private:
  RowsInPlace<std::byte> in_place_;
  ElementType type_;
  std::vector<double> row_;
};

// Calls f(truth, prediction, i) for each row i, or position in it, that counts. Of means and variances, the means are
// the prediction.
template <class Truth, class Prediction, class F>
void each_row(Truth truth, Prediction prediction, Dim rows, std::size_t positions, const Outputs& outputs, F f) {
  for (Dim row = 0; row < rows; ++row) {
    const auto all_true = truth.at(row);
    const auto all_said = prediction.at(row);
    const std::size_t true_each = all_true.size() / positions, said_each = all_said.size() / positions;
    for (std::size_t i = 0; i < positions; ++i) {
      const auto t = all_true.subspan(i * true_each, true_each);
      if (outputs.ignored && t.size() == 1 && static_cast<double>(t[0]) == static_cast<double>(*outputs.ignored))
        continue;
      f(t, all_said.subspan(i * said_each, said_each), row);
    }
  }
}

inline std::size_t predicted_columns(const Part& part, const Outputs& outputs) {
  return outputs.predicted(part.columns());
}

// With rows as spans of doubles.
template <class F>
void each_row(const Part& part, const Outputs& outputs, F f) {
  each_row(RowsAsDoubles(part.y_true, part.rows, static_cast<std::size_t>(row_elements(part.y_true))),
           RowsAsDoubles(part.y_pred, nullptr, predicted_columns(part, outputs) * part.positions()), part.y_pred.rows(),
           part.positions(), outputs, f);
}

// With rows as spans of float where they lie so, which saves a copy; else of double.
template <class F>
void each_plain_row(const Part& part, const Outputs& outputs, F f) {
  const auto with_rows = [](const ArrayView& view, const std::int64_t* rows, std::size_t cols, auto use) {
    const bool aligned =
        (reinterpret_cast<std::uintptr_t>(view.data) | static_cast<std::size_t>(view.row_stride)) % alignof(float) == 0;
    if (view.type == ElementType::float32 && aligned)
      use(RowsInPlace<float>(view, rows, cols));
    else
      use(RowsAsDoubles(view, rows, cols));
  };
  with_rows(part.y_true, part.rows, static_cast<std::size_t>(row_elements(part.y_true)), [&](auto truth) {
    with_rows(part.y_pred, nullptr, predicted_columns(part, outputs) * part.positions(),
              [&](auto prediction) { each_row(truth, prediction, part.y_pred.rows(), part.positions(), outputs, f); });
  });
}

template <class T>
std::size_t argmax(std::span<const T> row) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < row.size(); ++i)
    if (row[i] > row[best]) best = i;
  return best;
}

// Throws std::invalid_argument where a row of targets is not as long as one of predictions.
inline void check_columns(std::size_t targets, std::size_t predictions) {
  if (targets != predictions) fail("metric", "targets have ", targets, " values per row, predictions ", predictions);
}

template <class T>
bool any_nan(std::span<const T> row) {
  bool found = false;
  for (const T value : row) found |= value != value;
  return found;
}

// A label, or the largest of a row of probabilities. Throws std::invalid_argument where it is none of the classes.
template <class T>
std::size_t class_of(std::span<const T> truth, std::size_t classes) {
  if (truth.size() != 1) {
    check_columns(truth.size(), classes);
    return argmax(truth);
  }
  if (!(truth[0] >= 0 && static_cast<double>(truth[0]) < static_cast<double>(classes)))
    fail("metric", "labels must be in [0, ", classes, "), got ", truth[0]);
  return static_cast<std::size_t>(truth[0]);
}

// What a metric keeps of the rows so far, zero at first: to add a part, and the value of all. `k` is of top_k.
struct Tallied {
  void (*add)(std::span<double> tally, const Part& part, const Outputs& outputs, Dim k);
  double (*value)(std::span<const double> tally, const Outputs& outputs, std::size_t predicted);
  std::size_t size = 2, per_class = 0, per_yes_no = 0;  // of the tally
};
inline double mean_of(std::span<const double> tally, const Outputs&, std::size_t) { return tally[0] / tally[1]; }
inline constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();  // of no rows
// Of "top_k"; ranking_metrics.cc.
extern const Tallied kTopK;

// Of a metric that must see all rows at once.
using MetricOfRows = double(const Part& all, const Outputs& outputs);

// A metric that has a name of its own.
struct MetricRow {
  MetricInfo info;
  bool decides;  // whether targets are classes, or yes and no
  std::optional<Tallied> tallied = {};
  MetricOfRows* of_rows = nullptr;  // instead
};
std::span<const MetricRow> classification_metrics(), ranking_metrics(), regression_metrics();

// A metric that is shown something else than outputs; own_metrics.cc.
Metric shown_as(Metric function, MetricInput input, Outputs outputs);

// A metric by name: what metric() returns, as a function of all rows, and as one of rows that come in parts.
class NamedMetric {
 public:
  NamedMetric(const Tallied& tallied, const Outputs& outputs, bool decides, Dim k = 0)
      : tallied_(&tallied), outputs_(outputs), decides_(decides), k_(k) {}
  NamedMetric(MetricOfRows* of_rows, const Outputs& outputs, bool decides)
      : of_rows_(of_rows), outputs_(outputs), decides_(decides) {}
  // Throws std::invalid_argument that names the first row of targets that the metric is not defined for.
  void check_targets(const ArrayView& y_true, std::size_t columns) const;
  // Throws std::invalid_argument where targets and predictions do not belong together.
  double operator()(const ArrayView& y_true, const ArrayView& y_pred) const;
  bool in_parts() const { return tallied_ != nullptr; }  // what follows is for those
  std::size_t tally_size(std::size_t columns) const {
    const std::size_t predicted = outputs_.predicted(columns);
    return tallied_->size + predicted * (outputs_.yes_no(predicted) ? tallied_->per_yes_no : tallied_->per_class);
  }
  void add(std::span<double> tally, const Part& part) const { tallied_->add(tally, part, outputs_, k_); }
  double value(std::span<const double> tally, std::size_t columns) const {
    return tallied_->value(tally, outputs_, outputs_.predicted(columns));
  }

 private:
  const Tallied* tallied_ = nullptr;
  MetricOfRows* of_rows_ = nullptr;
  Outputs outputs_;
  bool decides_ = false;  // between classes, or yes and no
  Dim k_ = 0;
};

}  // namespace backpass
