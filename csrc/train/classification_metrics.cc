// Metrics of decisions: how often each class was right, taken for another, or missed.
#include <limits>

#include "train/metrics.h"

namespace backpass {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

// Of one class, or of one output that says yes or no; four numbers of a tally.
struct Counts {
  double right, wrong, missed;  // said and true, said and not true, true and not said
  double rest;                  // neither; of yes and no only
};
constexpr std::size_t kCounts = 4;

enum : std::size_t { kRight, kWrong, kMissed, kRest };

// A prediction that is not a number is never right.
void count(std::span<double> tally, const Part& part, const Outputs& outputs, Dim) {
  const bool yes_no = outputs.yes_no(part.columns());
  const auto counts = [&](std::size_t column) { return tally.subspan(column * kCounts, kCounts); };
  each_plain_row(part, outputs, [&](auto t, auto p) {
    if (yes_no) check_columns(t.size(), p.size());
    for (std::size_t i = 0; yes_no && i < p.size(); ++i) {
      const bool yes = t[i] > 0.5, right = p[i] == p[i] && outputs.says_yes(p[i]) == yes;
      ++counts(i)[right ? (yes ? kRight : kRest) : (yes ? kMissed : kWrong)];
    }
    if (yes_no) return;
    const std::size_t truth = class_of(t, p.size());
    if (any_nan(p)) {  // says nothing
      ++counts(truth)[kMissed];
      return;
    }
    const std::size_t said = argmax(p);
    ++counts(said)[truth == said ? kRight : kWrong];
    if (truth != said) ++counts(truth)[kMissed];
  });
}

// What has been counted, by class or output.
struct Decisions {
  std::span<const double> tally;
  bool yes_no;

  Decisions(std::span<const double> counts, const Outputs& outputs)
      : tally(counts), yes_no(outputs.yes_no(counts.size() / kCounts)) {}
  std::size_t size() const { return tally.size() / kCounts; }
  Counts operator[](std::size_t i) const {
    const auto of = tally.subspan(i * kCounts, kCounts);
    return {of[kRight], of[kWrong], of[kMissed], of[kRest]};
  }
};

double ratio(double part, double whole) { return whole > 0 ? part / whole : 0; }

double precision_of(const Counts& c) { return ratio(c.right, c.right + c.wrong); }
double recall_of(const Counts& c) { return ratio(c.right, c.right + c.missed); }
double f1_of(const Counts& c) { return ratio(2 * c.right, 2 * c.right + c.wrong + c.missed); }
double specificity_of(const Counts& c) { return ratio(c.rest, c.rest + c.wrong); }

// Of class 1 where there are two; else the mean over all outputs, or over the classes that occur.
double macro(const Decisions& all, double (*score)(const Counts&)) {
  if (!all.yes_no && all.size() == 2) return score(all[1]);
  double total = 0, counted = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Counts c = all[i];
    if (!all.yes_no && c.right + c.wrong + c.missed == 0) continue;
    total += score(c);
    ++counted;
  }
  return counted > 0 ? total / counted : kUndefined;
}

// The mean recall of yes and no, of those that occur.
double balanced(const Counts& c) {
  const bool yes = c.right + c.missed > 0, no = c.rest + c.wrong > 0;
  return ((yes ? recall_of(c) : 0) + (no ? specificity_of(c) : 0)) / ((yes ? 1 : 0) + (no ? 1 : 0));
}

double accuracy(std::span<const double> tally, const Outputs& outputs) {
  double right = 0, all = 0;
  const Decisions counted(tally, outputs);
  for (std::size_t i = 0; i < counted.size(); ++i) {
    const Counts c = counted[i];
    right += c.right + c.rest;
    all += c.right + c.missed + (counted.yes_no ? c.wrong + c.rest : 0);  // else wrong for one is missed for another
  }
  return right / all;
}

double balanced_accuracy(std::span<const double> tally, const Outputs& outputs) {
  const Decisions counted(tally, outputs);
  if (counted.yes_no) return macro(counted, balanced);
  double total = 0, classes = 0;
  for (std::size_t i = 0; i < counted.size(); ++i) {
    const Counts c = counted[i];
    if (c.right + c.missed == 0) continue;
    total += recall_of(c);
    ++classes;
  }
  return classes > 0 ? total / classes : kUndefined;
}

template <double (*score)(const Counts&)>
double macro_of(std::span<const double> tally, const Outputs& outputs) {
  return macro({tally, outputs}, score);
}

}  // namespace

const Tallied kAccuracy{count, accuracy, 0, kCounts};
const Tallied kBalancedAccuracy{count, balanced_accuracy, 0, kCounts};
const Tallied kPrecision{count, macro_of<precision_of>, 0, kCounts};
const Tallied kRecall{count, macro_of<recall_of>, 0, kCounts};
const Tallied kF1{count, macro_of<f1_of>, 0, kCounts};

}  // namespace backpass
