// Counts of yes and no, and what is refused.
#include "train/decisions.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"

namespace backpass {
namespace {

constexpr const char* kOtherMetrics = "for real numbers ask for mae, rmse or r2, or give a function";
constexpr const char* kSayOutputs = "; let a loss of your own say it (output_kind), or give a function as metric";

double rows_of(std::span<const double> cells, Truth truth, std::initializer_list<Zone> zones) {
  double rows = 0;
  for (std::size_t begin = 0; begin < cells.size(); begin += kCells)
    for (const Zone zone : zones) rows += cells[begin + truth * kZones + zone];
  return rows;
}

bool any_rows(std::span<const double> cells, Truth truth) {
  return rows_of(cells, truth, {kNotANumber, kNegative, kZero, kLow, kHigh, kBeyond}) > 0;
}

// Probabilities say yes above 0.5, logits above 0: outside of [0, 1] it is not known which they are.
void refuse_unknown(std::span<const double> cells, const Outputs& outputs) {
  const std::initializer_list<Zone> outside{kNegative, kBeyond};
  if (outputs.kind != OutputKind::unknown || rows_of(cells, kNo, outside) + rows_of(cells, kYes, outside) == 0) return;
  fail("metric", outputs.metric,
       " cannot tell whether outputs are logits, which say yes above 0, or estimates of 0 and ",
       "1: some are outside [0, 1], and the loss does not say", kSayOutputs);
}

}  // namespace

void refuse_yes_no(double target, const Outputs& outputs, Dim row) {
  fail("metric", outputs.metric, " needs targets of yes and no, 0 and 1 or -1 and 1, got ", target, " in row ", row,
       "; ", kOtherMetrics);
}

void refuse_class(const Outputs& outputs, Dim row) {
  fail("metric", outputs.metric, " needs targets of one class in each row (a 1 among 0 or -1, or probabilities), got ",
       "others in row ", row, "; where several may be true take BinaryCrossEntropy, ", kOtherMetrics);
}

void refuse_probability(double output, const Outputs& outputs, Dim row) {
  fail("metric", outputs.metric, " needs probabilities, got the output ", output, " for row ", row,
       "; end the model with Sigmoid or Softmax, or take a loss of logits: BinaryCrossEntropy or CrossEntropy",
       kSayOutputs);
}

void refuse_probabilities(double sum, const Outputs& outputs, Dim row) {
  fail("metric", outputs.metric, " needs probabilities, which sum to 1, got a sum of ", sum, " for row ", row,
       "; end the model with Softmax, or take a loss of logits such as CrossEntropy", kSayOutputs);
}

void check_probabilities(std::span<const double> p, const Outputs& outputs, Dim row) {
  if (any_nan(p)) return;
  for (const double output : p)
    if (output < 0 || output > 1) refuse_probability(output, outputs, row);
  const double sum = std::accumulate(p.begin(), p.end(), 0.0);
  if (p.size() > 1 && std::fabs(sum - 1) > kRounding) refuse_probabilities(sum, outputs, row);
}

void count_yes_no(std::span<double> cells, const Part& part, const Outputs& outputs) {
  each_plain_row(part, outputs, [&](auto t, auto p, Dim i) {
    check_columns(t.size(), p.size());
    check_target(t, p.size(), outputs, part.row(i));
    for (std::size_t c = 0; c < p.size(); ++c) ++cells[c * kCells + truth_of(t[c], outputs) * kZones + zone_of(p[c])];
  });
  if (checked_by_loss(outputs) || !any_rows(cells, kNo)) return;
  if (any_rows(cells, kMinusOne))
    fail("metric", outputs.metric, " needs targets of yes and no, 0 and 1 or -1 and 1, got -1 and 0; ", kOtherMetrics);
  refuse_unknown(cells, outputs);
}

double yes_threshold(std::span<const double> cells, const Outputs& outputs) {
  if (outputs.kind == OutputKind::yes_no_logits || any_rows(cells, kMinusOne)) return 0;
  refuse_unknown(cells, outputs);
  return 0.5;
}

}  // namespace backpass
