// Fitting targets to predictions.
#include "nn/targets.h"

#include <cmath>

#include "base/convert.h"
#include "base/error.h"
#include "nn/loss_means.h"
#include "nn/target_domain.h"

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

void check_labels(const ArrayView& y, Dim classes, std::optional<Dim> ignored) {
  Dim bad = -1;
  if (y.type == ElementType::int64)
    bad = first_bad_label<std::int64_t>(y, classes, ignored);
  else if (y.type == ElementType::int32)
    bad = first_bad_label<std::int32_t>(y, classes, ignored);
  else
    for (Dim row = 0; row < y.rows() && bad < 0; ++row)
      if (const double label = element(y, row);
          !(label >= 0 && label < static_cast<double>(classes)) && label != ignored)
        bad = row;
  if (bad >= 0)
    fail("y", "labels must be in [0, ", classes, "), got ", static_cast<std::int64_t>(element(y, bad)), " in row ",
         bad);
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
                    Dim rows, DType dtype) {
  Targets targets{y, sample_weight, false};
  Shape expected = loss.target_shape(prediction);
  expected[0] = rows;
  targets.labels = loss.takes_labels() && prediction.size() == 2 && y.shape == Shape{rows} && is_integer(y.type);
  if (targets.labels) {
    check_labels(y, prediction[1], loss.ignored_label());
  } else if (y.shape == Shape{rows} && expected == Shape{rows, 1}) {
    targets.y.shape = expected;  // one output: (n,) is (n, 1)
  } else if (y.shape != expected) {
    if (y.shape.size() == 1 && loss.takes_labels() && prediction.size() == 2)
      fail("y", "expected ", rows, " integer labels or shape ", to_string(expected), ", got ",
           is_integer(y.type) ? "integers" : "values that are not integers", " of shape ", to_string(y.shape));
    fail("y", "expected shape ", to_string(expected), ", got ", to_string(y.shape));
  }
  if (targets.weighted()) check_weights(sample_weight, rows, dtype);
  if (!targets.labels) check_domain(loss, targets.y, sample_weight);
  return targets;
}

}  // namespace backpass
