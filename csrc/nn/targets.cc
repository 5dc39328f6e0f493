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

// A label that is no class, and its row.
struct BadLabel {
  Dim row = -1;
  double label = 0;
};

template <class T>
BadLabel first_bad_label(const ArrayView& y, Dim each, Dim classes, std::optional<Dim> ignored) {
  for (Dim row = 0; row < y.rows(); ++row) {
    const T* labels = reinterpret_cast<const T*>(static_cast<const std::byte*>(y.data) + row * y.row_stride);
    for (Dim i = 0; i < each; ++i)
      if ((labels[i] < 0 || static_cast<std::int64_t>(labels[i]) >= classes) && labels[i] != ignored)
        return {row, static_cast<double>(labels[i])};
  }
  return {};
}

BadLabel first_bad_label(const ArrayView& y, Dim classes, std::optional<Dim> ignored) {
  const Dim each = y.rows() > 0 ? element_count(y.shape) / y.rows() : 0;
  if (y.type == ElementType::int64) return first_bad_label<std::int64_t>(y, each, classes, ignored);
  if (y.type == ElementType::int32) return first_bad_label<std::int32_t>(y, each, classes, ignored);
  std::vector<double> labels(static_cast<std::size_t>(each));
  for (Dim row = 0; row < y.rows(); ++row) {
    convert(labels.data(), DType::float64, static_cast<const std::byte*>(y.data) + row * y.row_stride, y.type, each);
    for (const double label : labels) {
      const bool inside = label >= 0 && label < static_cast<double>(classes) && label == std::floor(label);
      if (!inside && label != ignored) return {row, label};
    }
  }
  return {};
}

void check_labels(const ArrayView& y, Dim classes, std::optional<Dim> ignored) {
  const auto [bad, label] = first_bad_label(y, classes, ignored);
  if (bad < 0) return;
  const bool whole = label == std::floor(label);
  std::ostringstream shown;
  shown << std::setprecision(whole ? 20 : 6) << label;
  fail("y", whole ? "labels must be in [0, " : "labels must be whole numbers in [0, ", classes, "), got ", shown.str(),
       " in row ", bad,
       classes == 1 ? "; one output is one class: two are Dense(2), or Dense(1) with BinaryCrossEntropy"
       : whole      ? ""
                    : "; a probability for each class has shape (rows, classes)");
}

// Class numbers: a vector or a column, or one for each position, of any type where no values of that shape are
// expected.
bool are_labels(const Loss& loss, const Shape& prediction, const ArrayView& y, const Shape& expected) {
  if (!loss.takes_labels() || prediction.size() < 2) return false;
  if (prediction.size() > 2) return expected.size() == prediction.size() && y.shape == without_last(expected);
  const Shape vector{expected[0]}, column{expected[0], 1};
  const bool values = expected == vector || expected == column;
  return (y.shape == vector && (is_integer(y.type) || !values)) || (y.shape == column && !values);
}

[[noreturn]] void refuse_shape(const ArrayView& y, const Shape& expected, const std::string& whom, bool own) {
  const bool flat = expected.size() > 2 && y.shape.size() < 3;
  fail("y", "expected shape ", to_string(expected), ", got ", to_string(y.shape),
       whom.empty() ? "" : ", for the output of ", whom,
       flat  ? "; where each row of x is one example, the model needs Flatten() as its first layer"
       : own ? "; arrays of any shape are given as several, by name or in order"
             : "");
}

}  // namespace

void check_weights(const ArrayView& weight, Dim rows, DType dtype, bool may_be_negative) {
  if (weight.shape != Shape{rows}) fail("sample_weight", "expected shape (", rows, ",), got ", to_string(weight.shape));
  for (Dim row = 0; row < rows; ++row) {
    const double value = element(weight, row), size = may_be_negative ? std::fabs(value) : value;
    if (!(size >= 0) || !std::isfinite(value))
      fail("sample_weight", may_be_negative ? "must be finite, got " : "must be finite and not negative, got ", value,
           " in row ", row, may_be_negative ? "" : "; a loss of your own takes weights of either sign");
    if (!weight_fits(size, dtype)) fail("sample_weight", out_of_range(dtype), value, " in row ", row, kScaleWeights);
  }
}

void require_some_weight(const ArrayView& sample_weight) {
  if (sample_weight.empty()) return;
  for (Dim row = 0; row < sample_weight.rows(); ++row)
    if (element(sample_weight, row) != 0) return;
  fail("sample_weight", "must not be zero for every row");
}

Targets fit_targets(const Loss& loss, const Shape& prediction, const ArrayView& y, const ArrayView& sample_weight,
                    Dim rows, DType dtype, const std::string& whom) {
  check_present("y", y);
  if (!sample_weight.shape.empty()) check_present("sample_weight", sample_weight);  // left out, it has no shape
  Targets targets{y, false};
  Shape expected = loss.target_shape(prediction);
  expected[0] = rows;
  targets.labels = are_labels(loss, prediction, y, expected);
  if (targets.labels) {
    check_labels(y, prediction.back(), loss.ignored_label());
    if (prediction.size() == 2) targets.y.shape = {rows};
  } else if (y.shape == Shape{rows} && expected == Shape{rows, 1}) {
    targets.y.shape = expected;  // one output: (n,) is (n, 1)
  } else if (y.shape != expected) {
    if (y.shape.size() == 1 && loss.takes_labels() && prediction.size() == 2)
      fail("y", "expected ", rows, " labels or shape ", to_string(expected), ", got shape ", to_string(y.shape));
    refuse_shape(y, expected, whom, loss.is_own());
  }
  if (!sample_weight.empty()) check_weights(sample_weight, rows, dtype, loss.is_own());
  if (!targets.labels) check_domain(loss, targets.y, sample_weight);
  return targets;
}

std::string target_label(const std::vector<std::string>& names, std::size_t i) {
  if (names.empty()) return "y";
  return names[i].empty() ? "y[" + std::to_string(i) + "]" : "y['" + names[i] + "']";
}

void fit_free_targets(AllTargets& targets, const ArrayViews& y, const std::vector<std::string>& names, Dim rows,
                      DType dtype) {
  if (!names.empty() && names.size() != y.size())
    fail("y", "expected a name for each of ", y.size(), " arrays, got ", names.size());
  targets.free = true;
  targets.names = names;
  targets.each.resize(y.size());
  for (std::size_t i = 0; i < y.size(); ++i) {
    const auto label = [&] { return target_label(names, i); };  // for messages: a step allocates nothing
    if (y[i].shape.empty()) fail(label(), "must hold rows, got a single number");
    if (y[i].rows() != rows) fail(label(), "has ", y[i].rows(), " rows, x ", rows);
    if (y[i].empty()) check_present(label(), y[i]);
    targets.each[i] = {y[i], is_integer(y[i].type)};
    const DType as = targets.each[i].labels ? DType::int32 : dtype;
    if (first_too_large(y[i], as) >= 0) check_castable(label(), y[i], as);
  }
}

Tensor free_target(const Targets& target, DType dtype) {
  Shape shape = target.y.shape;
  shape[0] = kBatch;
  return input(shape, target.labels ? DType::int32 : dtype, "y");
}

// FNV-1a, 64 bits: a step compares numbers, not texts.
std::uint64_t AllTargets::hash() const {
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&](std::uint64_t value) { hash = (hash ^ value) * 0x100000001b3; };
  add(names.size());
  for (const std::string& name : names) {
    for (const char c : name) add(static_cast<unsigned char>(c) + 2u);
    add(1);
  }
  for (const Targets& t : each) {
    add(t.labels ? 3 : 2);
    for (std::size_t i = 1; i < t.y.shape.size(); ++i) add(static_cast<std::uint64_t>(t.y.shape[i]) + 4);
    add(1);
  }
  return hash;
}

}  // namespace backpass
