// A fit by L-BFGS: the loss over all rows is a function of the parameters that are not frozen.
#include "train/minimize.h"

#include <cmath>
#include <limits>

#include "base/convert.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "optim/lbfgs.h"
#include "plan/workers/sharing.h"
#include "plan/workers/team.h"
#include "train/epoch_logs.h"
#include "train/evaluate.h"

namespace backpass {
namespace {

void check(const Trainer::Impl& trainer, const FitOptions& options) {
  const std::string type = trainer.optimizer.type();
  const FitHooks& hooks = options.hooks;
  if (hooks.transform || options.accumulate > 1 || options.checkpoint.write || options.checkpoint.read ||
      options.validation_stream)
    fail_for_parts(type);
  if (!trainer.net().states.empty())
    fail(type, "takes no model with running statistics: looking for a step, it does not move them");
  if (hooks.batch_begin || hooks.batch_end) fail(type, "takes no hooks by batch: it has no batches");
  if (!options.averages.empty()) fail(type, "takes no averages of the weights: it makes no steps between batches");
}

// What of the network's parameters is trained, as one vector of float64.
class TrainedParameters {
 public:
  explicit TrainedParameters(const Network::Impl& net) : dtype_(net.dtype) {
    for (const ParameterInfo& info : net.parameters)
      if (net.frozen.count(info.name) == 0) parts_.push_back({net.values_of(info), net.gradients_of(info), info.size});
  }

  std::size_t size() const {
    Dim total = 0;
    for (const Part& part : parts_) total += part.size;
    return static_cast<std::size_t>(total);
  }

  void read(std::span<double> out) const { read_of(&Part::values, out); }
  void read_gradients(std::span<double> out) const { read_of(&Part::gradients, out); }

  // False, and nothing is written, where the parameters cannot hold a number.
  bool write(std::span<const double> values) const {
    if (check_finite(values.data(), ElementType::float64, dtype_, static_cast<Dim>(values.size())) != Finite::yes)
      return false;
    const double* from = values.data();
    for (const Part& part : parts_) {
      convert(part.values, dtype_, from, ElementType::float64, part.size);
      from += part.size;
    }
    return true;
  }

 private:
  struct Part {
    std::byte *values, *gradients;
    Dim size;
  };

  void read_of(std::byte* Part::*which, std::span<double> out) const {
    double* to = out.data();
    for (const Part& part : parts_) {
      convert(to, DType::float64, part.*which, element_type(dtype_), part.size);
      to += part.size;
    }
  }

  DType dtype_;
  std::vector<Part> parts_;
};

// A loss over all rows of some data.
struct Term {
  Objective::Impl* objective;
  const ArrayViews* x;
  const AllTargets* targets;
};

class Minimization {
 public:
  Minimization(Trainer::Impl& trainer, std::vector<Term> terms, const DataParts* parts, const FitOptions& options)
      : trainer_(trainer),
        objective_(trainer.objective),
        options_(options),
        terms_(std::move(terms)),
        parts_(parts),
        held_out_(trainer.objective, options),
        parameters_(trainer.net()),
        freezes_(trainer.net().freezes) {}

  History run() {
    check(trainer_, options_);
    if (!parts_) check_metrics(objective_.net(), options_.metrics, terms_[0].targets);
    held_out_.check();
    trainer_.stopped = false;
    trainer_.net().note_training();
    threads_ = options_.threads > 0 ? options_.threads : objective_.options.threads;
    history_ = empty_history(objective_, options_, held_out_, parts_);
    part_.resize(parameters_.size());
    auto epochs = [this] { minimize(); };
    if (options_.epochs > 0) Team::with(resolve_threads(threads_), epochs);
    return std::move(history_);
  }

 private:
  // The network ends with the weights of the last iteration that was completed, whatever ends the fit.
  struct Restore {
    Minimization& fit;
    const LbfgsMinimizer& at;
    ~Restore() { fit.put(at.x()); }
  };

  void minimize() {
    std::vector<double> start(parameters_.size());
    parameters_.read(start);
    LBFGS settings = *trainer_.optimizer.state()->rule.minimizer;
    settings.history_size = std::min<std::int64_t>(settings.history_size, options_.epochs);
    const auto function = [this](std::span<const double> x, std::span<double> gradient) { return at(x, gradient); };
    LbfgsMinimizer lbfgs(settings, std::move(start), function);
    if (!std::isfinite(lbfgs.value())) throw DivergedError(0, "the loss");
    if (!lbfgs.gradient_is_finite()) throw DivergedError(0, "the gradient");
    const Restore restore{*this, lbfgs};
    do run_epoch(lbfgs);
    while (epoch_ < options_.epochs && !ended_ && !trainer_.stopped && !lbfgs.converged());
  }

  // One that finds no step has no end, unless it is the first: then it tells of where the fit began.
  void run_epoch(LbfgsMinimizer& lbfgs) {
    if (options_.hooks.epoch_begin) options_.hooks.epoch_begin(epoch_);
    if (trainer_.stopped) return;
    if (!lbfgs.converged() && !lbfgs.iterate()) {
      ended_ = true;
      const double rounding = epsilon() * std::fabs(lbfgs.value());
      if (options_.hooks.warning && lbfgs.falls(rounding)) options_.hooks.warning(gave_up());
      if (epoch_ > 0) return;
    }
    put(lbfgs.x());
    end_epoch(lbfgs.value());
  }

  double epsilon() const {
    return 8 * (objective_.net().dtype == DType::float64 ? std::numeric_limits<double>::epsilon()
                                                         : static_cast<double>(std::numeric_limits<float>::epsilon()));
  }

  std::string gave_up() const {
    return message(trainer_.optimizer.type(), "gave up in epoch ", epoch_,
                   ": no step was found, though the loss falls against its gradient");
  }

  double at(std::span<const double> x, std::span<double> gradient) {
    ask_interrupt();
    Network::Impl& net = objective_.net();
    if (net.freezes != freezes_)  // by a hook
      fail(trainer_.optimizer.type(), "what is frozen must not change within a fit: end it, and begin another");
    if (!put(x)) return std::numeric_limits<double>::infinity();
    const double loss = value_of(terms_[0]);
    parameters_.read_gradients(gradient);
    return terms_.size() == 1 ? loss : loss + add_others(gradient);
  }

  // In training, with its weight; its gradient is left in the network's buffer.
  double value_of(const Term& term) {
    Objective::Impl& objective = *term.objective;
    const double whole = objective.gradients({term.x, term.targets, nullptr, (*term.x)[0].rows(),
                                              options_.seed.value_or(objective.net().seed), 0, threads_});
    if (objective.share == 1) return whole;
    const double penalty = objective.penalty();
    return objective.share * (whole - penalty) + penalty;
  }

  double add_others(std::span<double> gradient) {
    double loss = 0;
    for (std::size_t i = 1; i < terms_.size(); ++i) {
      loss += value_of(terms_[i]);
      parameters_.read_gradients(part_);
      for (std::size_t k = 0; k < part_.size(); ++k) gradient[k] += part_[k];
    }
    return loss;
  }

  bool put(std::span<const double> x) { return parameters_.write(x); }

  void end_epoch(double loss) {
    Logs logs = losses(loss);
    held_out_.log(threads_, logs);
    logs.emplace_back("learning_rate", 1.0);  // where a line search begins
    append(history_, logs);
    const int epoch = epoch_++;
    if (options_.hooks.epoch_end) options_.hooks.epoch_end(epoch, logs);
  }

  // `whole`: in training.
  Logs losses(double whole) {
    Logs logs{{"loss", whole}};
    if (parts_) {
      add_losses_of_parts(logs);
    } else if (!options_.metrics.empty() || objective_.terms() > 1) {
      const Logs own = evaluated(terms_[0], options_.metrics);
      const auto behind =
          own.begin() + static_cast<std::ptrdiff_t>(objective_.terms() > 1 ? 1 + objective_.terms() : 1);
      logs.insert(logs.end(), own.begin() + 1, behind);
      add_penalties(logs);
      logs.insert(logs.end(), behind, own.end());
    } else {
      add_penalties(logs);
    }
    return logs;
  }

  void add_losses_of_parts(Logs& logs) {
    const bool alone = parts_->size() == 1;
    Logs metrics;
    for (std::size_t i = 0; i < parts_->size(); ++i) {
      const DataPart& part = (*parts_)[i];
      if (alone && !part.predicts()) continue;
      const Logs own = evaluated(terms_[i], *part.metrics);
      if (!alone) logs.emplace_back(column_of("loss", part, alone), own[0].second);
      for (std::size_t k = own.size() - part.metrics->size(); k < own.size(); ++k)
        metrics.emplace_back(column_of(own[k].first, part, alone), own[k].second);
    }
    add_penalties(logs);
    logs.insert(logs.end(), metrics.begin(), metrics.end());
  }

  // At the parameters that the network has: the last walk may have been elsewhere.
  void add_penalties(Logs& logs) {
    const Objective::Impl& first = *terms_[0].objective;
    const bool penalized = !first.options.weight_penalty.empty();
    if (!penalized && !first.layers_add) return;
    double added = 0;
    for (const Term& term : terms_) {
      value_of(term);
      added += term.objective->share * term.objective->added();
    }
    if (penalized) logs.emplace_back(kPenaltyColumn, first.penalty());
    if (first.layers_add) logs.emplace_back(kAddedColumn, added);
  }

  Logs evaluated(const Term& term, const Metrics& metrics) {
    return evaluate_arrays(*term.objective, *term.x, *term.targets, metrics, threads_, "");
  }

  Trainer::Impl& trainer_;
  Objective::Impl& objective_;
  const FitOptions& options_;
  const std::vector<Term> terms_;
  const DataParts* parts_;    // null where there is one data set
  std::vector<double> part_;  // of the gradient
  HeldOut held_out_;
  TrainedParameters parameters_;
  const int freezes_;  // when they were counted
  History history_;
  int epoch_ = 0, threads_ = 0;
  bool ended_ = false;  // no step was found
};

}  // namespace

void fail_for_parts(const std::string& optimizer) {
  fail(optimizer, "takes arrays, without augment, accumulate, checkpoints or resume");
}

History minimize(Trainer::Impl& trainer, const ArrayViews& x, const AllTargets& targets, const FitOptions& options) {
  return Minimization(trainer, {{&trainer.objective, &x, &targets}}, nullptr, options).run();
}

History minimize(Trainer::Impl& trainer, const DataParts& parts, const FitOptions& options) {
  std::vector<Term> terms;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].streams() || parts[i].set->transform) fail_for_parts(trainer.optimizer.type());
    terms.push_back({parts[i].objective.get(), &parts[i].set->data.x, &parts[i].targets});
  }
  return Minimization(trainer, std::move(terms), &parts, options).run();
}

}  // namespace backpass
