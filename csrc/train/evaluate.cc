// Evaluation, tile by tile.
#include "train/evaluate.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/interrupt.h"
#include "plan/workers/sharing.h"
#include "plan/workers/team.h"
#include "train/stream_feed.h"

namespace backpass {
namespace {

constexpr Dim kEvaluateRows = 1024;

}  // namespace

double mean_of(const LossSums& sums, std::size_t term) {
  return sums.weights[term] > 0 ? sums.sums[term] / sums.weights[term] : 0;
}

void add_losses(LossSums& to, const std::vector<HeadLoss>& heads) {
  to.sums.resize(heads.size());
  to.weights.resize(heads.size());
  for (std::size_t i = 0; i < heads.size(); ++i) {
    to.sums[i] += heads[i].loss * heads[i].weight;
    to.weights[i] += heads[i].weight;
  }
}

double mean_loss(const LossSums& sums, const Losses& losses) {
  if (sums.sums.size() == 1) return mean_of(sums, 0);
  double total = 0;
  for (std::size_t i = 0; i < sums.sums.size(); ++i) total += losses.weight(i) * mean_of(sums, i);
  return total;
}

void log_losses(const LossSums& sums, const Losses& losses, const std::string& prefix, Logs& logs) {
  logs.emplace_back(prefix + "loss", mean_loss(sums, losses));
  for (std::size_t i = 0; sums.sums.size() > 1 && i < sums.sums.size(); ++i)
    logs.emplace_back(prefix + "loss_" + std::to_string(i), mean_of(sums, i));
}

Evaluation::Evaluation(Objective::Impl& objective, const Metrics& metrics, int threads, const Targets* fixed, Dim rows)
    : objective_(objective), predicts_(!metrics.empty()), threads_(threads) {
  if (predicts_) gathered_.begin(objective.net(), metrics, fixed, rows);
}

void Evaluation::add(const ArrayViews& x, const AllTargets& targets) {
  auto tiles = [&] { add_tiles(x, targets); };
  Team::with(resolve_threads(threads_), tiles);
}

void Evaluation::add_tiles(const ArrayViews& x, const AllTargets& targets) {
  const Dim rows = x[0].rows();
  std::vector<std::int64_t> order(static_cast<std::size_t>(std::min(rows, kEvaluateRows)));
  for (Dim begin = 0; begin < rows; begin += kEvaluateRows) {
    ask_interrupt();
    const Dim count = std::min(kEvaluateRows, rows - begin);
    std::iota(order.begin(), order.end(), begin);
    Objective::Impl::Batch tile{
        &x, &targets, order.data(), count, objective_.net().seed, static_cast<std::uint64_t>(begin), threads_};
    tile.predict = objective_.net().outputs().size() == 1;
    Plan& plan = objective_.evaluation_plan(count, targets);
    objective_.walk(plan, tile, Phase::loss);
    add_losses(losses_, objective_.heads);
    if (predicts_) gathered_.add(tile, objective_.predicted);
  }
  rows_ += rows;
}

Logs Evaluation::logs(const std::string& prefix) const {
  if (rows_ == 0) fail("evaluate", "needs at least one row");
  Logs logs;
  log_losses(losses_, objective_.losses, prefix, logs);
  gathered_.compute(prefix, logs);
  return logs;
}

Logs evaluate_arrays(Objective::Impl& objective, const ArrayViews& x, const AllTargets& targets, const Metrics& metrics,
                     int threads, const std::string& prefix) {
  Evaluation evaluation(objective, metrics, threads, metrics.empty() ? nullptr : &targets[0], x[0].rows());
  evaluation.add(x, targets);
  return evaluation.logs(prefix);
}

Logs evaluate_stream(Objective::Impl& objective, const Stream& stream, const Metrics& metrics, int threads,
                     bool check_finite, const std::string& prefix) {
  Evaluation evaluation(objective, metrics, threads, nullptr, 0);
  const Chunks next = stream.chunks();
  if (!next) fail("Stream", "chunks must return a function, got an empty one");
  AllTargets targets;
  while (const std::optional<TrainingData> chunk = next()) {
    check_rows(objective, *chunk, "", check_finite, targets);
    evaluation.add(chunk->x, targets);
  }
  return evaluation.logs(prefix);
}

Logs Objective::evaluate(const TrainingData& data, const Metrics& metrics) {
  Network::Impl& net = impl_->net();
  const InUse use(net.users, Use::calls_back);
  AllTargets targets;
  if (check_data(net, impl_->losses, data, targets) == 0) fail("evaluate", "needs at least one row");
  check_metrics(net, metrics, &targets);
  return evaluate_arrays(*impl_, data.x, targets, metrics, impl_->options.threads, "");
}

Logs Objective::evaluate(const Stream& data, const Metrics& metrics, bool check_finite) {
  const InUse use(impl_->net().users, Use::calls_back);
  check_stream(data);
  check_metrics(impl_->net(), metrics, nullptr);
  return evaluate_stream(*impl_, data, metrics, impl_->options.threads, check_finite, "");
}

}  // namespace backpass
