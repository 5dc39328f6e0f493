// Watchers: what looks at the results of an epoch and acts on the training.
#pragma once

#include "backpass/trainer.h"

namespace backpass {

// What a watcher knows, for checkpoints.
struct WatcherState {
  std::vector<std::pair<std::string, double>> numbers;
  std::vector<std::pair<std::string, Array>> arrays;

  double number(const std::string& name) const;  // throws std::invalid_argument where it is absent
  // The same, where it must be a whole number in [least, most].
  std::int64_t whole(const std::string& name, std::int64_t least, std::int64_t most) const;
};

// A copy of what training changes: a network's parameters and states and, where asked, an optimizer's slots and steps.
class Snapshot {
 public:
  bool empty() const { return buffers_.empty(); }
  void take(Network& network, const Optimizer* optimizer = nullptr);
  // Bit for bit, what was taken. Throws std::invalid_argument where sizes or types are others.
  void restore(Network& network, Optimizer* optimizer = nullptr) const;
  void forget() { buffers_.clear(); }

  void save(WatcherState& state, const std::string& name) const;
  void load(const WatcherState& state, const std::string& name);

 private:
  std::vector<Array> buffers_;
  std::int64_t steps_ = 0;
};

// A column of the history, and what is better there.
struct Monitor {
  std::string who, column;
  bool upwards;
  bool after;  // of the weights at the end of an epoch, as "val_loss" is; a column of training: of those at its start
  double threshold = 0;
  bool relative = false;

  // mode: "min", "max", or "auto": see metric_rises().
  Monitor(std::string owner, std::string name, const std::string& mode, double least, bool relative_threshold = false);
  double value(const Logs& logs) const;  // throws std::invalid_argument that lists the columns
  bool better(double value, double best) const;
};

// fit calls these; the one who makes the hooks passes them on: see watch().
class Watcher {
 public:
  virtual ~Watcher() = default;
  virtual void fit_begin() {}
  virtual void epoch_begin(Network&, Optimizer&) {}
  virtual bool epoch_end(Network& network, Optimizer& optimizer, int epoch, const Logs& logs) = 0;  // true: stop
  virtual void fit_end(Network&) {}

  // Copies. load_state throws std::invalid_argument where a number is missing or makes no sense.
  virtual WatcherState state() const { return {}; }
  virtual void load_state(const WatcherState&) {}
};

// Adds a watcher to the hooks of a fit, after what is there. Its fit_begin and fit_end stay with the caller. All three
// live at least as long as the hooks.
void watch(FitHooks& hooks, Watcher& watcher, Trainer& trainer, Network& network, Optimizer& optimizer);

struct EarlyStoppingOptions {
  std::string monitor = "val_loss";
  int patience = 5;
  bool restore_best = true;
  std::string mode = "auto";
  double min_delta = 0.0;
  int start_epoch = 0;
};

// Stops when a column has not improved by more than min_delta for `patience` epochs; fit_end goes back to the weights
// that the best value belongs to: a "val_" column tells of those at the end of its epoch, one of training of those that
// the epoch began with (of the first batch to the bit; the later ones are on their way from there). Epochs before
// start_epoch are not looked at, and what is nan is no improvement.
class EarlyStopping final : public Watcher {
 public:
  explicit EarlyStopping(EarlyStoppingOptions options = {});
  void fit_begin() override;  // forgets an earlier fit
  void epoch_begin(Network& network, Optimizer& optimizer) override;
  bool epoch_end(Network& network, Optimizer& optimizer, int epoch, const Logs& logs) override;
  void fit_end(Network& network) override;
  WatcherState state() const override;
  void load_state(const WatcherState& state) override;

  std::optional<double> best() const { return best_; }
  int best_epoch() const { return best_epoch_; }  // -1 before there is one

 private:
  EarlyStoppingOptions options_;
  Monitor monitor_;
  std::optional<double> best_;
  int best_epoch_ = -1, waited_ = 0;
  Snapshot here_, weights_;  // of the start of this epoch, where asked; of the best value
};

struct ReduceOnPlateauOptions {
  std::string monitor = "val_loss";
  double factor = 0.1;
  int patience = 10;
  double threshold = 1e-4;
  std::string threshold_mode = "rel";  // or "abs"
  int cooldown = 0;
  double minimum = 0.0;
  std::string mode = "auto";
};

// Multiplies the optimizer's learning rate by `factor` when a column has not improved for more than `patience` epochs
// (PyTorch's ReduceLROnPlateau). A relative threshold is a part of the best value's size, which may be negative.
class ReduceOnPlateau final : public Watcher {
 public:
  explicit ReduceOnPlateau(ReduceOnPlateauOptions options = {});
  bool epoch_end(Network& network, Optimizer& optimizer, int epoch, const Logs& logs) override;
  WatcherState state() const override;
  void load_state(const WatcherState& state) override;

 private:
  ReduceOnPlateauOptions options_;
  Monitor monitor_;
  std::optional<double> best_;
  int bad_epochs_ = 0, cooling_ = 0;
};

struct BoldDriverOptions {
  double increase = 1.05;
  double decrease = 0.5;
  double tolerance = 0.0;  // relative
  std::string monitor = "loss";
};

// Multiplies the learning rate by `increase` after an epoch whose loss fell. After one whose loss rose by more than the
// tolerance: by `decrease`, and weights and optimizer go back to where the last accepted loss was measured (Vogl et al.
// 1988; Battiti 1989). A loss of training belongs to the weights at the start of its epoch, a "val_" one to those at
// its end. What rounding may change is neither a rise nor a fall.
class BoldDriver final : public Watcher {
 public:
  explicit BoldDriver(BoldDriverOptions options = {});
  void fit_begin() override;  // forgets an earlier fit
  void epoch_begin(Network& network, Optimizer& optimizer) override;
  bool epoch_end(Network& network, Optimizer& optimizer, int epoch, const Logs& logs) override;
  WatcherState state() const override;
  void load_state(const WatcherState& state) override;

 private:
  BoldDriverOptions options_;
  Monitor monitor_;
  std::optional<double> accepted_;
  Snapshot here_, good_;
};

struct RaiseOnSmallGradientsOptions {
  double threshold;
  double maximum;
  double factor = 2.0;
};

// Multiplies the learning rate by `factor`, up to `maximum`, after an epoch whose last batch had a gradient of a norm
// below the threshold.
class RaiseOnSmallGradients final : public Watcher {
 public:
  explicit RaiseOnSmallGradients(RaiseOnSmallGradientsOptions options);
  bool epoch_end(Network& network, Optimizer& optimizer, int epoch, const Logs& logs) override;
  double norm() const { return norm_; }  // that of the last epoch, Euclidean over all parameters

 private:
  RaiseOnSmallGradientsOptions options_;
  double norm_ = 0;
};

}  // namespace backpass
