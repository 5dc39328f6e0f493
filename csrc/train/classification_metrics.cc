// Metrics of decisions: how often each class was right, taken for another, or missed.
#include "train/decisions.h"

namespace backpass {
namespace {

// Of one class, or of one output that says yes or no.
struct Counts {
  double right, wrong, missed;  // said and true, said and not true, true and not said
  double rest;                  // neither; of yes and no only
};

enum : std::size_t { kRight, kWrong, kMissed, kCounts };  // of a class: doubles of a tally

// A prediction that is not a number is never right.
void count_classes(std::span<double> tally, const Part& part, const Outputs& outputs) {
  const auto counts = [&](std::size_t c) { return tally.subspan(c * kCounts, kCounts); };
  each_plain_row(part, outputs, [&](auto t, auto p, Dim i) {
    const std::size_t truth = class_of(t, p.size());
    check_target(t, p.size(), outputs, part.row(i));
    if (any_nan(p)) {  // says nothing
      ++counts(truth)[kMissed];
      return;
    }
    const std::size_t said = argmax(p);
    ++counts(said)[truth == said ? kRight : kWrong];
    if (truth != said) ++counts(truth)[kMissed];
  });
}

void count(std::span<double> tally, const Part& part, const Outputs& outputs, Dim) {
  const bool yes_no = outputs.yes_no(predicted_columns(part, outputs));
  if (yes_no)
    count_yes_no(tally, part, outputs);
  else
    count_classes(tally, part, outputs);
}

// Of one output, from its cells. A prediction that is not a number is wrong.
Counts counts_of(std::span<const double> cells, double threshold) {
  Counts c{};
  for (const Truth truth : {kMinusOne, kNo, kYes})
    for (std::size_t zone = 0; zone < kZones; ++zone) {
      const double rows = cells[truth * kZones + zone];
      const bool says_yes = zone > (threshold > 0 ? kLow : kZero);
      if (truth == kYes)
        (says_yes ? c.right : c.missed) += rows;
      else
        (says_yes || zone == kNotANumber ? c.wrong : c.rest) += rows;
    }
  return c;
}

// What has been counted, by class or output.
struct Decisions {
  std::span<const double> tally;
  bool yes_no;
  double threshold = 0;

  Decisions(std::span<const double> counts, const Outputs& outputs, std::size_t predicted)
      : tally(counts), yes_no(outputs.yes_no(predicted)) {
    if (yes_no) threshold = yes_threshold(tally, outputs);
  }
  std::size_t size() const { return tally.size() / (yes_no ? kCells : kCounts); }
  Counts operator[](std::size_t i) const {
    if (yes_no) return counts_of(tally.subspan(i * kCells, kCells), threshold);
    const auto of = tally.subspan(i * kCounts, kCounts);
    return {of[kRight], of[kWrong], of[kMissed], 0};
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

double accuracy(std::span<const double> tally, const Outputs& outputs, std::size_t predicted) {
  double right = 0, all = 0;
  const Decisions counted(tally, outputs, predicted);
  for (std::size_t i = 0; i < counted.size(); ++i) {
    const Counts c = counted[i];
    right += c.right + c.rest;
    all += c.right + c.missed + (counted.yes_no ? c.wrong + c.rest : 0);  // else wrong for one is missed for another
  }
  return right / all;
}

double balanced_accuracy(std::span<const double> tally, const Outputs& outputs, std::size_t predicted) {
  const Decisions counted(tally, outputs, predicted);
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
double macro_of(std::span<const double> tally, const Outputs& outputs, std::size_t predicted) {
  return macro({tally, outputs, predicted}, score);
}

using Value = double(std::span<const double> tally, const Outputs& outputs, std::size_t predicted);

MetricRow of_counts(const char* name, const char* meaning, Value* value) {
  return {{name, true, meaning}, true, Tallied{count, value, 0, kCounts, kCells}};
}

}  // namespace

std::span<const MetricRow> classification_metrics() {
  static const MetricRow rows[] = {
      of_counts("accuracy", "the share of rows whose class is decided for", accuracy),
      of_counts("balanced_accuracy", "the mean over classes of the recall of each", balanced_accuracy),
      of_counts("precision", "of the rows decided for a class, the share that is of it", macro_of<precision_of>),
      of_counts("recall", "of the rows of a class, the share that is decided for it", macro_of<recall_of>),
      of_counts("f1", "the harmonic mean of precision and recall", macro_of<f1_of>),
  };
  return rows;
}

}  // namespace backpass
