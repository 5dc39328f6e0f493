// Metrics of scores: the order in which they put rows or classes, and the probabilities that they stand for.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "train/decisions.h"

namespace backpass {
namespace {

using Scored = std::vector<std::pair<double, bool>>;  // a score, and whether the row is one of the class

// How probable it is that a row of the class scores above another one, ties counted half: from the sum of ranks (Mann
// and Whitney 1947). Nan where there are rows of one kind only, or a score is nan.
double auc_of(Scored scored) {
  for (const auto& [score, yes] : scored)
    if (std::isnan(score)) return kUndefined;
  std::sort(scored.begin(), scored.end());
  double ranks = 0, yes = 0;
  for (std::size_t begin = 0, end = 0; begin < scored.size(); begin = end) {
    double tied = 0;
    while (end < scored.size() && scored[end].first == scored[begin].first) tied += scored[end++].second;
    ranks += tied * 0.5 * static_cast<double>(begin + 1 + end);
    yes += tied;
  }
  const double no = static_cast<double>(scored.size()) - yes;
  return yes > 0 && no > 0 ? (ranks - yes * (yes + 1) / 2) / (yes * no) : kUndefined;
}

// exp(z - z[best]) of all but the best, added up.
double others_than(std::span<const double> z, std::size_t best) {
  double sum = 0;
  for (std::size_t c = 0; c < z.size(); ++c)
    if (c != best) sum += std::exp(z[c] - z[best]);
  return sum;
}

// The logarithm of p / (1 - p) for each class, p its softmax: the order of p, where p itself is rounded to 1 or 0. Of
// two classes it is the difference of the logits. What is added up is sorted, so that rows tie whose classes have
// changed places. `terms` is memory for it.
void log_odds(std::span<const double> z, std::span<double> odds, std::vector<double>& terms) {
  const std::size_t best = argmax(z);
  terms.clear();
  for (std::size_t c = 0; c < z.size(); ++c)
    if (c != best) terms.push_back(std::exp(z[c] - z[best]));
  std::ranges::sort(terms);
  const double others = std::accumulate(terms.begin(), terms.end(), 0.0);
  for (std::size_t c = 0; c < z.size(); ++c) {
    const double below = z[c] - z[best];
    odds[c] = c == best ? -std::log(others) : below - std::log1p(others - std::exp(below));
  }
  if (z.size() == 2) odds[1] = z[1] - z[0], odds[0] = -odds[1];
}

double softplus_of(double z) { return std::max(z, 0.0) + std::log1p(std::exp(-std::fabs(z))); }

// A term of probability 0 adds nothing, be it infinite.
double expected(double t, double x) { return t != 0 ? t * x : 0; }

// -sum t log p of a row.
double surprise(std::span<const double> t, std::span<const double> p, const Outputs& outputs, double eps) {
  const auto truth = [&](std::size_t c) {
    return t.size() == p.size() ? std::max(t[c], 0.0) : c == class_of(t, p.size()) ? 1.0 : 0.0;  // -1 is no
  };
  const auto log_of = [&](double q) { return std::log(std::clamp(q, eps, 1 - eps)); };
  double total = 0;
  if (outputs.yes_no(p.size())) {
    check_columns(t.size(), p.size());
    for (std::size_t i = 0; i < p.size(); ++i)
      total += outputs.kind == OutputKind::yes_no_logits
                   ? expected(t[i], softplus_of(-p[i])) + expected(1 - t[i], softplus_of(p[i]))
                   : -truth(i) * log_of(p[i]) - (1 - truth(i)) * log_of(1 - p[i]);
    return total / static_cast<double>(p.size());
  }
  const bool logits = outputs.kind == OutputKind::class_logits;
  const std::size_t best = argmax(p);
  const double above = logits ? std::log1p(others_than(p, best)) : 0;  // of the log-sum-exp, beside the greatest
  for (std::size_t c = 0; c < p.size(); ++c)
    total += expected(truth(c), logits ? (p[best] - p[c]) + above : -log_of(p[c]));
  return total;
}

void add_surprise(std::span<double> tally, const Part& part, const Outputs& outputs, Dim) {
  const double eps = part.y_pred.type == ElementType::float64 ? std::numeric_limits<double>::epsilon()
                                                              : std::numeric_limits<float>::epsilon();
  each_row(part, outputs, [&](std::span<const double> t, std::span<const double> p, Dim i) {
    check_target(t, p.size(), outputs, part.row(i));
    if (!checked_by_loss(outputs)) check_probabilities(p, outputs, part.row(i));
    tally[0] += surprise(t, p, outputs, eps);
    ++tally[1];
  });
}

// Of equal scores the class of the larger number comes first. A row with nan is wrong.
void count_top(std::span<double> tally, const Part& part, const Outputs& outputs, Dim k) {
  if (outputs.yes_no(predicted_columns(part, outputs)))
    fail("metric", "top_", k, " needs a score for each class, got outputs that say yes or no");
  each_plain_row(part, outputs, [&](auto t, auto p, Dim i) {
    const std::size_t truth = class_of(t, p.size());
    check_target(t, p.size(), outputs, part.row(i));
    Dim before = 0;
    for (std::size_t c = 0; c < p.size(); ++c) before += p[c] > p[truth] || (p[c] == p[truth] && c > truth);
    tally[0] += before < k && !any_nan(p);
    ++tally[1];
  });
}

double auc(const Part& all, const Outputs& outputs) {
  const std::size_t columns = predicted_columns(all, outputs);
  const bool yes_no = outputs.yes_no(columns);
  std::vector<Scored> scored(columns);
  std::vector<double> scores(columns), terms;
  each_row(all, outputs, [&](std::span<const double> t, std::span<const double> p, Dim i) {
    if (yes_no) check_columns(t.size(), p.size());
    check_target(t, columns, outputs, all.row(i));
    if (!yes_no && outputs.kind == OutputKind::unknown) check_probabilities(p, outputs, all.row(i));
    if (outputs.kind == OutputKind::class_logits)
      log_odds(p, scores, terms);
    else
      std::ranges::copy(p, scores.begin());
    for (std::size_t c = 0; c < columns; ++c)
      scored[c].emplace_back(scores[c], yes_no ? t[c] > 0.5 : class_of(t, columns) == c);
  });
  if (!yes_no && columns == 2) return auc_of(std::move(scored[1]));
  double total = 0;
  for (Scored& one : scored) total += auc_of(std::move(one));
  return total / static_cast<double>(columns);
}

}  // namespace

const Tallied kTopK{count_top, mean_of};

std::span<const MetricRow> ranking_metrics() {
  static const MetricRow rows[] = {
      {{"auc", true, "area under the ROC curve; of several classes the mean of each against the rest"}, true, {}, auc},
      {{"log_loss", false, "the mean of -log of the probability given to the class"},
       true,
       Tallied{add_surprise, mean_of}},
  };
  return rows;
}

}  // namespace backpass
