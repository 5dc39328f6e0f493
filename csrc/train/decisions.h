// What targets and outputs say: yes or no, or one of several classes. Of yes and no, targets are 0 and 1, or -1 and 1:
// which, is known when a 0 or a -1 has come by. So rows are counted by target and by where the output lies.
#pragma once

#include <algorithm>
#include <cmath>

#include "train/metrics.h"

namespace backpass {

enum Truth : std::size_t { kMinusOne, kNo, kYes };
enum Zone : std::size_t { kNotANumber, kNegative, kZero, kLow, kHigh, kBeyond };  // low: up to 0.5, high: up to 1
constexpr std::size_t kTruths = 3, kZones = 6, kCells = kTruths * kZones;         // of one output: doubles of a tally

template <class T>
Zone zone_of(T output) {
  if (output != output) return kNotANumber;
  if (output <= 0) return output < 0 ? kNegative : kZero;
  return output <= 0.5 ? kLow : output <= 1 ? kHigh : kBeyond;
}

// Of targets between 0 and 1, which BinaryCrossEntropy takes, those above 0.5 are yes.
template <class T>
Truth truth_of(T target, const Outputs& outputs) {
  if (target > 0.5) return kYes;
  return target < 0 && outputs.kind != OutputKind::yes_no_logits ? kMinusOne : kNo;
}

// Whose targets the loss has checked already.
inline bool checked_by_loss(const Outputs& outputs) {
  return outputs.kind == OutputKind::yes_no_logits || outputs.kind == OutputKind::class_logits;
}

[[noreturn]] void refuse_yes_no(double target, const Outputs& outputs, Dim row);
[[noreturn]] void refuse_class(const Outputs& outputs, Dim row);
[[noreturn]] void refuse_probability(double output, const Outputs& outputs, Dim row);
[[noreturn]] void refuse_probabilities(double sum, const Outputs& outputs, Dim row);

constexpr double kRounding = 1e-3;  // of a sum of probabilities

// Whether a row is one class of several: a single 1 among 0 or among -1, or probabilities.
template <class T>
bool is_one_class(std::span<const T> row) {
  std::size_t ones = 0, zeros = 0, minus_ones = 0;
  double sum = 0, least = 0;
  for (const T t : row) {
    ones += t == 1, zeros += t == 0, minus_ones += t == -1;
    sum += static_cast<double>(t);
    least = std::min(least, static_cast<double>(t));
  }
  if (ones == 1 && (zeros == row.size() - 1 || minus_ones == row.size() - 1)) return true;
  return least >= 0 && std::fabs(sum - 1) <= kRounding;
}

// Throws std::invalid_argument where a row of targets says neither yes and no nor a class.
template <class T>
void check_target(std::span<const T> target, std::size_t predicted, const Outputs& outputs, Dim row) {
  if (checked_by_loss(outputs)) return;
  if (outputs.yes_no(predicted)) {
    for (const T t : target)
      if (t != 0 && t != 1 && t != -1) refuse_yes_no(static_cast<double>(t), outputs, row);
  } else if (target.size() > 1 && !is_one_class(target)) {
    refuse_class(outputs, row);
  }
}

// Throws std::invalid_argument where outputs are no probabilities; a row with nan passes.
void check_probabilities(std::span<const double> row_of_outputs, const Outputs& outputs, Dim row);

// Adds the rows of a part to `cells`, kCells for each output. Throws std::invalid_argument where targets are neither 0
// and 1 nor -1 and 1, or nothing tells where the outputs say yes.
void count_yes_no(std::span<double> cells, const Part& part, const Outputs& outputs);

// Above what an output says yes, of all rows that were counted; throws as count_yes_no does.
double yes_threshold(std::span<const double> cells, const Outputs& outputs);

}  // namespace backpass
