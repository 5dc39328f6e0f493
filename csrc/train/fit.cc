// The epoch loop.
#include <chrono>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/error.h"
#include "base/philox.h"
#include "plan/sharing.h"
#include "plan/team.h"
#include "train/trainer_impl.h"

namespace backpass {

DivergedError::DivergedError(int at_epoch, Dim at_batch, std::string at_layer)
    : std::runtime_error(message("fit", "the loss or its gradient is not finite in epoch ", at_epoch, ", batch ",
                                 at_batch, "; first in ", at_layer,
                                 "; the network keeps the weights from before this step")),
      epoch(at_epoch),
      batch(at_batch),
      layer(std::move(at_layer)) {}

const std::vector<double>& History::operator[](const std::string& name) const {
  for (const auto& [key, values] : columns)
    if (key == name) return values;
  throw std::out_of_range(message("History", "has no \"", name, '"'));
}

namespace {

// Looks at the clock now and then, rarely where steps are short.
class Ticker {
 public:
  // Whether 50 milliseconds have passed since it last said so.
  bool due() {
    if (++count_ < stride_) return false;
    count_ = 0;
    const Clock::time_point now = Clock::now();
    stride_ = now - looked_ < std::chrono::milliseconds(2) ? std::min(stride_ * 2, 1024) : std::max(stride_ / 2, 1);
    looked_ = now;
    if (now - told_ < std::chrono::milliseconds(50)) return false;
    told_ = now;
    return true;
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point looked_ = Clock::now(), told_ = looked_;
  int count_ = 0, stride_ = 1;
};

class Fit {
 public:
  Fit(Trainer::Impl& trainer, const TrainingData& data, const FitOptions& options)
      : trainer_(trainer), data_(data), options_(options) {}

  History run() {
    check();
    const bool shared = prepare();
    auto epochs = [&] {
      for (int epoch = 0; epoch < options_.epochs && !trainer_.stopped; ++epoch) run_epoch(epoch);
    };
    Team::with(shared ? resolve_threads(threads_) : 1, epochs);
    return std::move(history_);
  }

 private:
  void check() {
    if (options_.epochs < 0) fail("fit", "epochs must not be negative, got ", options_.epochs);
    if (options_.batch_size < 1) fail("fit", "batch_size must be positive, got ", options_.batch_size);
    if (options_.threads < 0) fail("fit", "threads must not be negative, got ", options_.threads);
    rows_ = check_data(trainer_.net(), trainer_.losses, data_, targets_);
    if (rows_ == 0) fail("fit", "needs at least one row");
    if (options_.validation_data) {
      validation_rows_ = check_data(trainer_.net(), trainer_.losses, *options_.validation_data, validation_targets_);
      if (validation_rows_ == 0) fail("fit", "validation_data needs at least one row");
    }
    check_metrics(trainer_.net(), options_.metrics.size());
    if (!options_.check_finite) return;
    const DType dtype = trainer_.net().dtype;
    check_finite_data("x", data_.x, dtype);
    check_finite_data("y", data_.y, dtype);
    if (!options_.validation_data) return;
    check_finite_data("validation x", options_.validation_data->x, dtype);
    check_finite_data("validation y", options_.validation_data->y, dtype);
  }

  // Everything that can fail or allocate comes before the first step. Whether steps are shared between workers.
  bool prepare() {
    trainer_.stopped = false;
    order_.resize(static_cast<std::size_t>(rows_));
    std::iota(order_.begin(), order_.end(), 0);
    const bool predict = !options_.metrics.empty();
    const Dim full = std::min(options_.batch_size, rows_), rest = rows_ % options_.batch_size;
    const bool shared = trainer_.training_plan(full, targets_, predict).shared();
    if (rest > 0) trainer_.training_plan(rest, targets_, predict);
    trainer_.optimizer.state()->bind(trainer_.network);
    if (predict) predictions_ = predictions_for(rows_);
    threads_ = options_.threads > 0 ? options_.threads : trainer_.threads;
    seed_ = options_.seed.value_or(trainer_.net().seed);
    add_columns("");
    if (options_.validation_data) add_columns("val_");
    add_column("learning_rate");
    return shared;
  }

  Array predictions_for(Dim rows) const {
    return Array(trainer_.net().dtype, with_rows(trainer_.net().outputs()[0].shape(), rows));
  }

  void add_columns(const std::string& prefix) {
    add_column(prefix + "loss");
    for (const auto& [name, compute] : options_.metrics) add_column(prefix + name);
  }

  void add_column(const std::string& name) {
    history_.columns.emplace_back(name, std::vector<double>());
    history_.columns.back().second.reserve(static_cast<std::size_t>(options_.epochs));
  }

  void run_epoch(int epoch) {
    if (options_.hooks.epoch_begin) options_.hooks.epoch_begin(epoch);
    if (trainer_.stopped) return;  // before its first batch
    shuffle();
    const double loss = run_batches(epoch);
    update_averages(Per::epoch);
    ++trainer_.optimizer.state()->epochs;
    Logs logs{{"loss", loss}};
    for (const auto& [name, compute] : options_.metrics) logs.emplace_back(name, compute(targets_[0].y, predictions_));
    if (options_.validation_data) validate(logs);
    logs.emplace_back("learning_rate", learning_rate_);
    for (std::size_t i = 0; i < logs.size(); ++i) history_.columns[i].second.push_back(logs[i].second);
    if (options_.hooks.epoch_end) options_.hooks.epoch_end(epoch, logs);
  }

  // Fisher and Yates, from the stream of this epoch.
  void shuffle() {
    const std::uint64_t epoch = options_.seed ? own_epoch_++ : trainer_.net().epoch++;
    if (!options_.shuffle) return;
    RandomSequence random(seed_, RandomUse::shuffle, static_cast<std::uint32_t>(epoch));
    std::iota(order_.begin(), order_.end(), 0);
    for (std::size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[random.below(i)]);
  }

  double run_batches(int epoch) {
    double total = 0;
    Dim done = 0;
    for (Dim batch = 0; done < rows_ && !trainer_.stopped; ++batch) {
      const Dim count = std::min(options_.batch_size, rows_ - done);
      if (options_.hooks.batch_begin) options_.hooks.batch_begin(batch);
      const double loss = run_batch(epoch, batch, done, count);
      total += loss * static_cast<double>(count);
      done += count;
      if (options_.hooks.batch_end) options_.hooks.batch_end(batch, loss);
      if (!ticker_.due()) continue;
      if (options_.hooks.interrupt) options_.hooks.interrupt();
      if (options_.hooks.progress) options_.hooks.progress(done, total / static_cast<double>(done));
    }
    return total / static_cast<double>(done);
  }

  double run_batch(int epoch, Dim batch, Dim begin, Dim count) {
    const std::int64_t* rows = order_.data() + begin;
    const std::uint64_t step = options_.seed ? own_step_++ : trainer_.net().step++;
    const bool predict = !options_.metrics.empty();
    learning_rate_ = trainer_.optimizer.current_learning_rate();
    const double loss = trainer_.train({&data_.x, &targets_, rows, count, seed_, step, threads_, predict});
    if (!std::isfinite(loss))
      throw DivergedError(epoch, batch, trainer_.net().first_non_finite(data_.x, rows, count, seed_, step));
    if (!trainer_.updated) throw DivergedError(epoch, batch, "the gradient");
    if (predict) keep_predictions(rows, count);
    update_averages(Per::step);
    return loss;
  }

  void update_averages(Per per) {
    for (Average average : options_.averages)
      if (average.per() == per) average.update(trainer_.network);
  }

  // In the order of the data, so that metrics see them beside their targets.
  void keep_predictions(const std::int64_t* rows, Dim count) {
    const std::byte* from = trainer_.at(trainer_.training_plan(count, targets_, true).output(1));
    const std::size_t bytes = predictions_.bytes() / static_cast<std::size_t>(rows_);
    for (Dim i = 0; i < count; ++i)
      std::memcpy(static_cast<std::byte*>(predictions_.data()) + static_cast<std::size_t>(rows[i]) * bytes,
                  from + static_cast<std::size_t>(i) * bytes, bytes);
  }

  void validate(Logs& logs) {
    const bool predict = !options_.metrics.empty();
    Array predictions = predictions_for(predict ? validation_rows_ : 0);
    logs.emplace_back("val_loss", trainer_.evaluate(options_.validation_data->x, validation_targets_, threads_,
                                                    predict ? &predictions : nullptr));
    for (const auto& [name, compute] : options_.metrics)
      logs.emplace_back("val_" + name, compute(validation_targets_[0].y, predictions));
  }

  Trainer::Impl& trainer_;
  const TrainingData& data_;
  const FitOptions& options_;
  Dim rows_ = 0, validation_rows_ = 0;
  AllTargets targets_, validation_targets_;
  std::vector<std::int64_t> order_;
  Array predictions_;
  History history_;
  Ticker ticker_;
  std::uint64_t seed_ = 0, own_step_ = 0, own_epoch_ = 0;  // own: counted from 0 where fit has a seed of its own
  double learning_rate_ = 0;                               // of the last update
  int threads_ = 0;
};

}  // namespace

History Trainer::fit(const TrainingData& data, const FitOptions& options) {
  const InUse use(impl_->net());
  return Fit(*impl_, data, options).run();
}

}  // namespace backpass
