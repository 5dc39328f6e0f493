// Watchers, one after the other.
#include "backpass/watchers.h"

#include <cmath>

#include "base/error.h"
#include "nn/network_impl.h"

namespace backpass {
namespace {

constexpr std::int64_t kMostEpochs = 1 << 30;  // that a state may tell of: they can still be counted on

void check_not_negative(const char* who, const char* what, double value) {
  if (!(value >= 0) || !std::isfinite(value)) fail(who, what, " must be finite and not negative, got ", value);
}

void check_between(const char* who, const char* what, double value, double low, double high) {
  if (!(value > low && value < high)) fail(who, what, " must be above ", low, " and below ", high, ", got ", value);
}

bool is_relative(const std::string& threshold_mode) {
  if (threshold_mode != "rel" && threshold_mode != "abs")
    fail("ReduceOnPlateau", "threshold_mode must be rel or abs, got ", threshold_mode);
  return threshold_mode == "rel";
}

// Absent numbers are left out.
void put(WatcherState& state, const char* name, const std::optional<double>& value) {
  if (value) state.numbers.emplace_back(name, *value);
}

// Absent also where it is nan: nothing would ever be better.
std::optional<double> find(const WatcherState& state, const std::string& name) {
  for (const auto& [key, value] : state.numbers)
    if (key == name && !std::isnan(value)) return value;
  return {};
}

template <class T>
double gradient_norm(const Network::Impl& net) {
  double squares = 0;
  for (const ParameterInfo& info : net.parameters) {
    if (net.frozen.count(info.name) > 0) continue;  // whoever shares it may have one
    const T* gradient = reinterpret_cast<const T*>(net.gradients_of(info));
    for (Dim i = 0; i < info.size; ++i) squares += static_cast<double>(gradient[i]) * static_cast<double>(gradient[i]);
  }
  return std::sqrt(squares);
}

}  // namespace

Monitor::Monitor(std::string owner, std::string name, const std::string& mode, double least, bool relative_threshold)
    : who(std::move(owner)),
      column(std::move(name)),
      after(column.starts_with("val_")),
      threshold(least),
      relative(relative_threshold) {
  if (mode != "auto" && mode != "min" && mode != "max") fail(who, "mode must be auto, min or max, got ", mode);
  upwards = mode == "max" || (mode == "auto" && metric_rises(column));
}

double Monitor::value(const Logs& logs) const {
  std::string known;
  for (const auto& [name, value] : logs) {
    if (name == column) return value;
    known += (known.empty() ? "" : ", ") + name;
  }
  fail(who, "monitor must be one of ", known, ", got '", column, "'");
}

bool Monitor::better(double value, double best) const {
  const double margin = relative ? threshold * std::abs(best) : threshold;
  return upwards ? value > best + margin : value < best - margin;
}

void watch(FitHooks& hooks, Watcher& watcher, Trainer& trainer, Network& network, Optimizer& optimizer) {
  hooks.epoch_begin = [before = std::move(hooks.epoch_begin), &watcher, &network, &optimizer](int epoch) {
    if (before) before(epoch);
    watcher.epoch_begin(network, optimizer);
  };
  hooks.epoch_end = [before = std::move(hooks.epoch_end), &watcher, &trainer, &network, &optimizer](int epoch,
                                                                                                    const Logs& logs) {
    if (before) before(epoch, logs);
    if (watcher.epoch_end(network, optimizer, epoch, logs)) trainer.stop();
  };
}

EarlyStopping::EarlyStopping(EarlyStoppingOptions options)
    : options_(std::move(options)), monitor_("EarlyStopping", options_.monitor, options_.mode, options_.min_delta) {
  check_not_negative("EarlyStopping", "patience", options_.patience);
  check_not_negative("EarlyStopping", "min_delta", options_.min_delta);
  check_not_negative("EarlyStopping", "start_epoch", options_.start_epoch);
}

void EarlyStopping::fit_begin() {
  best_.reset();
  best_epoch_ = -1;
  waited_ = 0;
  here_.forget();
  weights_.forget();
}

void EarlyStopping::epoch_begin(Network& network, Optimizer&) {
  if (options_.restore_best && !monitor_.after) here_.take(network);
}

bool EarlyStopping::epoch_end(Network& network, Optimizer&, int epoch, const Logs& logs) {
  const double value = monitor_.value(logs);
  if (epoch < options_.start_epoch) return false;
  if (!std::isnan(value) && (!best_ || monitor_.better(value, *best_))) {
    best_ = value;
    best_epoch_ = epoch;
    waited_ = 0;
    if (options_.restore_best && here_.empty()) weights_.take(network);
    if (!here_.empty()) std::swap(weights_, here_);
    return false;
  }
  return ++waited_ >= std::max(options_.patience, 1);
}

void EarlyStopping::fit_end(Network& network) {
  if (!weights_.empty()) weights_.restore(network);
}

WatcherState EarlyStopping::state() const {
  WatcherState state{{{"best_epoch", best_epoch_}, {"waited", waited_}}, {}};
  put(state, "best", best_);
  weights_.save(state, "weights");
  if (!here_.empty()) here_.save(state, "here");  // a fit that goes on within an epoch does not begin it again
  return state;
}

void EarlyStopping::load_state(const WatcherState& state) {
  const std::int64_t best_epoch = state.whole("best_epoch", -1, kMostEpochs);
  const std::int64_t waited = state.whole("waited", 0, kMostEpochs);
  weights_.load(state, "weights");
  here_.forget();
  if (find(state, "here.steps")) here_.load(state, "here");
  best_epoch_ = static_cast<int>(best_epoch);
  waited_ = static_cast<int>(waited);
  best_ = find(state, "best");
}

ReduceOnPlateau::ReduceOnPlateau(ReduceOnPlateauOptions options)
    : options_(std::move(options)),
      monitor_("ReduceOnPlateau", options_.monitor, options_.mode, options_.threshold,
               is_relative(options_.threshold_mode)) {
  check_between("ReduceOnPlateau", "factor", options_.factor, 0, 1);
  check_not_negative("ReduceOnPlateau", "patience", options_.patience);
  check_not_negative("ReduceOnPlateau", "threshold", options_.threshold);
  check_not_negative("ReduceOnPlateau", "cooldown", options_.cooldown);
  check_not_negative("ReduceOnPlateau", "minimum", options_.minimum);
}

bool ReduceOnPlateau::epoch_end(Network&, Optimizer& optimizer, int, const Logs& logs) {
  const double value = monitor_.value(logs);
  if (!std::isnan(value) && (!best_ || monitor_.better(value, *best_))) {
    best_ = value;
    bad_epochs_ = 0;
  } else {
    ++bad_epochs_;
  }
  if (cooling_ > 0) {
    --cooling_;
    bad_epochs_ = 0;
  }
  if (bad_epochs_ <= options_.patience) return false;
  const double rate = optimizer.learning_rate();
  optimizer.set_learning_rate(std::min(rate, std::max(rate * options_.factor, options_.minimum)));
  cooling_ = options_.cooldown;
  bad_epochs_ = 0;
  return false;
}

WatcherState ReduceOnPlateau::state() const {
  WatcherState state{{{"bad_epochs", bad_epochs_}, {"cooling", cooling_}}, {}};
  put(state, "best", best_);
  return state;
}

void ReduceOnPlateau::load_state(const WatcherState& state) {
  const std::int64_t bad_epochs = state.whole("bad_epochs", 0, kMostEpochs);
  cooling_ = static_cast<int>(state.whole("cooling", 0, kMostEpochs));
  bad_epochs_ = static_cast<int>(bad_epochs);
  best_ = find(state, "best");
}

BoldDriver::BoldDriver(BoldDriverOptions options)
    : options_(std::move(options)), monitor_("BoldDriver", options_.monitor, "min", 0) {
  if (!(options_.increase >= 1) || !std::isfinite(options_.increase))
    fail("BoldDriver", "increase must be finite and at least 1, got ", options_.increase);
  check_between("BoldDriver", "decrease", options_.decrease, 0, 1);
  check_not_negative("BoldDriver", "tolerance", options_.tolerance);
}

void BoldDriver::fit_begin() {
  accepted_.reset();
  here_.forget();
  good_.forget();
}

void BoldDriver::epoch_begin(Network& network, Optimizer& optimizer) {
  if (!monitor_.after) here_.take(network, &optimizer);
}

bool BoldDriver::epoch_end(Network& network, Optimizer& optimizer, int, const Logs& logs) {
  const double value = monitor_.value(logs), rate = optimizer.learning_rate();
  if (!accepted_ && std::isnan(value)) return false;  // nothing to compare with, and none to go back to
  // The same weights on rows in another order give a loss that differs by rounding: neither a rise nor a fall.
  const double rounding = std::abs(accepted_.value_or(0)) * (network.dtype() == DType::float64 ? 1e-10 : 1e-5);
  if (accepted_ && !(value <= *accepted_ + options_.tolerance * std::abs(*accepted_) + rounding)) {
    optimizer.set_learning_rate(rate * options_.decrease);
    good_.restore(network, &optimizer);
    return false;
  }
  if (monitor_.after) here_.take(network, &optimizer);
  if (accepted_ && value < *accepted_ - rounding) optimizer.set_learning_rate(rate * options_.increase);
  accepted_ = value;
  std::swap(good_, here_);
  return false;
}

WatcherState BoldDriver::state() const {
  WatcherState state;
  put(state, "accepted", accepted_);
  good_.save(state, "good");
  if (!monitor_.after) here_.save(state, "here");  // a fit that goes on within an epoch does not begin it again
  return state;
}

void BoldDriver::load_state(const WatcherState& state) {
  Snapshot good, here;
  good.load(state, "good");
  if (!monitor_.after) here.load(state, "here");
  good_ = std::move(good);
  here_ = std::move(here);
  accepted_ = find(state, "accepted");
}

RaiseOnSmallGradients::RaiseOnSmallGradients(RaiseOnSmallGradientsOptions options) : options_(options) {
  check_not_negative("RaiseOnSmallGradients", "threshold", options_.threshold);
  check_not_negative("RaiseOnSmallGradients", "maximum", options_.maximum);
  if (!(options_.factor > 1) || !std::isfinite(options_.factor))
    fail("RaiseOnSmallGradients", "factor must be finite and above 1, got ", options_.factor);
}

bool RaiseOnSmallGradients::epoch_end(Network& network, Optimizer& optimizer, int, const Logs&) {
  const Network::Impl& net = network.impl();
  norm_ = net.dtype == DType::float64 ? gradient_norm<double>(net) : gradient_norm<float>(net);
  const double rate = optimizer.learning_rate();
  if (norm_ < options_.threshold && rate < options_.maximum)
    optimizer.set_learning_rate(std::min(rate * options_.factor, options_.maximum));
  return false;
}

}  // namespace backpass
