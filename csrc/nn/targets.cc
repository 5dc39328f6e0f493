// Fitting targets to predictions.
#include "nn/targets.h"

#include <cmath>
#include <iomanip>
#include <sstream>

#include "base/convert.h"
#include "base/error.h"
#include "nn/loss_means.h"
#include "nn/target_domain.h"
#include "plan/boundary.h"

namespace backpass {

double element(const ArrayView& view, Dim row) {
  double value = 0;
  convert(&value, DType::float64, static_cast<const std::byte*>(view.data) + row * view.row_stride, view.type, 1);
  return value;
}

namespace {

template <class T>
Dim first_bad_label(const ArrayView& y, Dim classes, std::optional<Dim> ignored) {
  for (Dim row = 0; row < y.rows(); ++row) {
    const T label = *reinterpret_cast<const T*>(static_cast<const std::byte*>(y.data) + row * y.row_stride);
    if ((label < 0 || static_cast<std::int64_t>(label) >= classes) && label != ignored) return row;
  }
  return -1;
}

Dim first_bad_label(const ArrayView& y, Dim classes, std::optional<Dim> ignored) {
  if (y.type == ElementType::int64) return first_bad_label<std::int64_t>(y, classes, ignored);
  if (y.type == ElementType::int32) return first_bad_label<std::int32_t>(y, classes, ignored);
  for (Dim row = 0; row < y.rows(); ++row) {
    const double label = element(y, row);
    const bool inside = label >= 0 && label < static_cast<double>(classes) && label == std::floor(label);
    if (!inside && label != ignored) return row;
  }
  return -1;
}

void check_labels(const ArrayView& y, Dim classes, std::optional<Dim> ignored) {
  const Dim bad = first_bad_label(y, classes, ignored);
  if (bad < 0) return;
  const double label = element(y, bad);
  const bool whole = label == std::floor(label);
  std::ostringstream shown;
  shown << std::setprecision(whole ? 20 : 6) << label;
  fail("y", whole ? "labels must be in [0, " : "labels must be whole numbers in [0, ", classes, "), got ", shown.str(),
       " in row ", bad,
       classes == 1 ? "; one output is one class: two are Dense(2), or Dense(1) with BinaryCrossEntropy"
       : whole      ? ""
                    : "; a probability for each class has shape (rows, classes)");
}

// Class numbers: a vector or a column, of any type where no values of that shape are expected.
bool are_labels(const Loss& loss, const Shape& prediction, const ArrayView& y, const Shape& expected) {
  if (!loss.takes_labels() || prediction.size() != 2) return false;
  const Shape vector{expected[0]}, column{expected[0], 1};
  const bool values = expected == vector || expected == column;
  return (y.shape == vector && (is_integer(y.type) || !values)) || (y.shape == column && !values);
}

[[noreturn]] void refuse_shape(const ArrayView& y, const Shape& expected, const std::string& whom) {
  const bool flat = expected.size() > 2 && y.shape.size() < 3;
  fail("y", "expected shape ", to_string(expected), ", got ", to_string(y.shape),
       whom.empty() ? "" : ", for the output of ", whom,
       flat ? "; where each row of x is one example, the model needs Flatten() as its first layer" : "");
}

void check_weights(const ArrayView& weight, Dim rows, DType dtype) {
  if (weight.shape != Shape{rows}) fail("sample_weight", "expected shape (", rows, ",), got ", to_string(weight.shape));
  for (Dim row = 0; row < rows; ++row) {
    const double value = element(weight, row);
    if (!(value >= 0) || !std::isfinite(value))
      fail("sample_weight", "must be finite and not negative, got ", value, " in row ", row);
    if (!weight_fits(value, dtype)) fail("sample_weight", out_of_range(dtype), value, " in row ", row, kScaleWeights);
  }
}

}  // namespace

void require_some_weight(const ArrayView& sample_weight) {
  if (sample_weight.empty()) return;
  for (Dim row = 0; row < sample_weight.rows(); ++row)
    if (element(sample_weight, row) > 0) return;
  fail("sample_weight", "must not be zero for every row");
}

Targets fit_targets(const Loss& loss, const Shape& prediction, const ArrayView& y, const ArrayView& sample_weight,
                    Dim rows, DType dtype, const std::string& whom) {
  check_present("y", y);
  if (!sample_weight.shape.empty()) check_present("sample_weight", sample_weight);  // left out, it has no shape
  Targets targets{y, sample_weight, false};
  Shape expected = loss.target_shape(prediction);
  expected[0] = rows;
  targets.labels = are_labels(loss, prediction, y, expected);
  if (targets.labels) {
    check_labels(y, prediction[1], loss.ignored_label());
    targets.y.shape = {rows};
  } else if (y.shape == Shape{rows} && expected == Shape{rows, 1}) {
    targets.y.shape = expected;  // one output: (n,) is (n, 1)
  } else if (y.shape != expected) {
    if (y.shape.size() == 1 && loss.takes_labels() && prediction.size() == 2)
      fail("y", "expected ", rows, " labels or shape ", to_string(expected), ", got shape ", to_string(y.shape));
    refuse_shape(y, expected, whom);
  }
  if (targets.weighted()) check_weights(sample_weight, rows, dtype);
  if (!targets.labels) check_domain(loss, targets.y, sample_weight);
  return targets;
}

}  // namespace backpass
