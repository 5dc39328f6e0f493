// Metrics of decisions: how often each class was right, taken for another, or missed.
#include <limits>

#include "train/metrics.h"

namespace backpass {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

// Of one class, or of one output that says yes or no.
struct Counts {
  double right = 0, wrong = 0, missed = 0;  // said and true, said and not true, true and not said
  double rest = 0;                          // neither; of yes and no only
};

struct Tally {
  bool yes_no;
  std::vector<Counts> of;
};

Tally tally(const ArrayView& y_true, const ArrayView& y_pred, const Outputs& outputs) {
  const std::size_t columns = y_pred.shape.size() < 2 ? 1 : static_cast<std::size_t>(y_pred.shape.back());
  Tally result{outputs.yes_no(columns), std::vector<Counts>(columns)};
  each_row(y_true, y_pred, outputs, [&](const std::vector<double>& t, const std::vector<double>& p) {
    for (std::size_t i = 0; result.yes_no && i < p.size(); ++i) {
      Counts& counts = result.of[i];
      const bool yes = t[i] > 0.5, said = outputs.says_yes(p[i]);
      ++(yes ? (said ? counts.right : counts.missed) : (said ? counts.wrong : counts.rest));
    }
    if (result.yes_no) return;
    const std::size_t truth = class_of(t), said = argmax(p);
    if (truth == said) {
      ++result.of[said].right;
    } else {
      ++result.of[said].wrong;
      ++result.of[truth].missed;
    }
  });
  return result;
}

double ratio(double part, double whole) { return whole > 0 ? part / whole : 0; }

double precision_of(const Counts& c) { return ratio(c.right, c.right + c.wrong); }
double recall_of(const Counts& c) { return ratio(c.right, c.right + c.missed); }
double f1_of(const Counts& c) { return ratio(2 * c.right, 2 * c.right + c.wrong + c.missed); }
double specificity_of(const Counts& c) { return ratio(c.rest, c.rest + c.wrong); }

// Of class 1 where there are two; else the mean over all outputs, or over the classes that occur.
double macro(const Tally& tally, double (*score)(const Counts&)) {
  if (!tally.yes_no && tally.of.size() == 2) return score(tally.of[1]);
  double total = 0, count = 0;
  for (const Counts& counts : tally.of) {
    if (!tally.yes_no && counts.right + counts.wrong + counts.missed == 0) continue;
    total += score(counts);
    ++count;
  }
  return count > 0 ? total / count : kUndefined;
}

// The mean recall of yes and no, of those that occur.
double balanced(const Counts& c) {
  const bool yes = c.right + c.missed > 0, no = c.rest + c.wrong > 0;
  return ((yes ? recall_of(c) : 0) + (no ? specificity_of(c) : 0)) / ((yes ? 1 : 0) + (no ? 1 : 0));
}

}  // namespace

double accuracy(const ArrayView& y_true, const ArrayView& y_pred, const Outputs& outputs) {
  double right = 0, all = 0;
  const Tally counted = tally(y_true, y_pred, outputs);
  for (const Counts& c : counted.of) {
    right += c.right + c.rest;
    all += c.right + c.missed + (counted.yes_no ? c.wrong + c.rest : 0);  // else wrong for one is missed for another
  }
  return right / all;
}

double balanced_accuracy(const ArrayView& y_true, const ArrayView& y_pred, const Outputs& outputs) {
  const Tally result = tally(y_true, y_pred, outputs);
  if (result.yes_no) return macro(result, balanced);
  double total = 0, count = 0;
  for (const Counts& counts : result.of) {
    if (counts.right + counts.missed == 0) continue;
    total += recall_of(counts);
    ++count;
  }
  return count > 0 ? total / count : kUndefined;
}

double precision(const ArrayView& y_true, const ArrayView& y_pred, const Outputs& outputs) {
  return macro(tally(y_true, y_pred, outputs), precision_of);
}

double recall(const ArrayView& y_true, const ArrayView& y_pred, const Outputs& outputs) {
  return macro(tally(y_true, y_pred, outputs), recall_of);
}

double f1(const ArrayView& y_true, const ArrayView& y_pred, const Outputs& outputs) {
  return macro(tally(y_true, y_pred, outputs), f1_of);
}

}  // namespace backpass
