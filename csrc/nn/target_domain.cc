// Targets are looked at row by row: in place where they are float32 or float64, else as doubles.
#include "nn/target_domain.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>

#include "base/convert.h"
#include "base/error.h"
#include "nn/targets.h"

namespace backpass {
namespace {

// What a sum of rounded probabilities may differ from 1 by; more where they have 16 bits.
double tolerance(ElementType type) {
  return type == ElementType::float16 || type == ElementType::bfloat16 ? 2e-2 : 1e-3;
}

// What decides about a row. One with nan passes.
struct Seen {
  bool outside = false;  // something is below 0, or above what the domain allows
  double sum = 0;
};

template <class T>
void look(Seen& seen, TargetDomain domain, const T* y, Dim n) {
  const T high = domain == TargetDomain::unit_interval ? static_cast<T>(1) : std::numeric_limits<T>::max();
  for (Dim i = 0; i < n; ++i) seen.outside |= (y[i] < 0) | (y[i] > high);
  if (domain != TargetDomain::distributions) return;
  double odd = 0;  // two side by side: one alone waits for each addition
  for (Dim i = 0; i + 1 < n; i += 2) seen.sum += static_cast<double>(y[i]), odd += static_cast<double>(y[i + 1]);
  seen.sum += n % 2 ? odd + static_cast<double>(y[n - 1]) : odd;
}

bool is_in(TargetDomain domain, const Seen& seen, double rounding) {
  return !seen.outside && (domain != TargetDomain::distributions || !(std::fabs(seen.sum - 1) > rounding));
}

[[noreturn]] void refuse(const Loss& loss, std::span<const double> y, Dim row) {
  const std::string who = loss.type();
  const auto negative = std::ranges::find_if(y, [](double value) { return value < 0; });
  switch (loss.target_domain()) {
    case TargetDomain::any:
      break;
    case TargetDomain::not_negative:
      fail("y", who, " takes counts, which are not negative, got ", *negative, " in row ", row,
           "; for other numbers take MSE or Huber");
    case TargetDomain::unit_interval:
      fail("y", who, " takes targets in [0, 1], got ",
           *std::ranges::find_if(y, [](double value) { return value < 0 || value > 1; }), " in row ", row,
           "; make 0 and 1 of two classes: (y + 1) / 2 of -1 and 1, y - 1 of 1 and 2");
    case TargetDomain::distributions:
      if (negative != y.end()) fail("y", who, " takes rows of probabilities, got ", *negative, " in row ", row);
      fail("y", who, " takes rows of probabilities that sum to 1, got a sum of ",
           std::accumulate(y.begin(), y.end(), 0.0), " in row ", row,
           y.size() == 1 ? "; one output is one class: two are Dense(2), or Dense(1) with BinaryCrossEntropy"
                         : "; divide each row by its sum, or take BinaryCrossEntropy where several classes may be "
                           "true at once");
  }
  fail("y", who, " does not take what is in row ", row);
}

const std::byte* row_of(const ArrayView& y, Dim row) {
  return static_cast<const std::byte*>(y.data) + row * y.row_stride;
}

template <class T>
bool lies_as(const ArrayView& y, ElementType type) {
  return y.type == type &&
         (reinterpret_cast<std::uintptr_t>(y.data) | static_cast<std::size_t>(y.row_stride)) % alignof(T) == 0;
}

// Whatever the elements are, without memory of its own: this runs in every step.
void look_at_row(Seen& seen, TargetDomain domain, const ArrayView& y, Dim row, Dim n) {
  constexpr Dim kChunk = 64;
  double chunk[kChunk];
  for (Dim i = 0; i < n; i += kChunk) {
    const Dim count = std::min(kChunk, n - i);
    convert(chunk, DType::float64, row_of(y, row) + static_cast<std::size_t>(i) * size_of(y.type), y.type, count);
    look(seen, domain, chunk, count);
  }
}

// Refuses the row, unless it weighs nothing or is not finite.
void judge(const Loss& loss, const ArrayView& y, const ArrayView& sample_weight, Dim row, Dim n) {
  if (!sample_weight.empty() && !(element(sample_weight, row) > 0)) return;
  std::vector<double> values(static_cast<std::size_t>(n));
  convert(values.data(), DType::float64, row_of(y, row), y.type, n);
  if (std::ranges::all_of(values, [](double value) { return std::isfinite(value); })) refuse(loss, values, row);
}

}  // namespace

void check_domain(const Loss& loss, const ArrayView& y, const ArrayView& sample_weight) {
  const TargetDomain domain = loss.target_domain();
  if (domain == TargetDomain::any || y.rows() == 0) return;
  const Dim n = element_count(y.shape) / y.rows();
  const bool floats = lies_as<float>(y, ElementType::float32), doubles = lies_as<double>(y, ElementType::float64);
  const double rounding = tolerance(y.type);
  for (Dim row = 0; row < y.rows(); ++row) {
    Seen seen;
    if (floats)
      look(seen, domain, reinterpret_cast<const float*>(row_of(y, row)), n);
    else if (doubles)
      look(seen, domain, reinterpret_cast<const double*>(row_of(y, row)), n);
    else
      look_at_row(seen, domain, y, row, n);
    if (!is_in(domain, seen, rounding)) judge(loss, y, sample_weight, row, n);
  }
}

}  // namespace backpass
