// The epoch loop.
#include <cmath>

#include "backpass/checkpoint.h"
#include "base/convert.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "plan/workers/sharing.h"
#include "plan/workers/team.h"
#include "train/data_parts.h"
#include "train/epoch_logs.h"
#include "train/evaluate.h"
#include "train/fit_settings.h"
#include "train/keeper.h"
#include "train/minimize.h"
#include "train/stream_feed.h"
#include "train/ticker.h"
#include "train/transform.h"

namespace backpass {

namespace {

void check_options(const FitOptions& options) {
  if (options.epochs < 0) fail("fit", "epochs must not be negative, got ", options.epochs);
  if (options.batch_size < 1) fail("fit", "batch_size must be positive, got ", options.batch_size);
  if (options.accumulate < 1) fail("fit", "accumulate must be positive, got ", options.accumulate);
  if (options.threads < 0) fail("fit", "threads must not be negative, got ", options.threads);
  const int kinds = (options.validation_data ? 1 : 0) + (options.validation_stream ? 1 : 0) +
                    (options.validation_sets.empty() ? 0 : 1);
  if (kinds > 1) fail("fit", "takes one kind of validation data");
}

Cut cut_of(const FitOptions& options) { return {options.batch_size, options.shuffle, options.drop_last}; }

[[noreturn]] void fail_for_rows(const FitOptions& options) {
  if (!options.drop_last) fail("fit", "needs at least one row");
  fail("fit", "drop_last leaves no row: there are fewer than batch_size = ", options.batch_size);
}

// What is trained on, as far as it is known before the first batch.
struct Known {
  const ArrayViews* x = nullptr;  // null for a stream; of data sets, those of the leading one
  const AllTargets* targets = nullptr;
  DataParts* parts = nullptr;  // null where the rows are no list of data sets
  Dim rows() const { return (*x)[0].rows(); }
};

class Fit {
 public:
  using Ending = Objective::Impl::Ending;

  // `feed`: of what is no list of data sets.
  Fit(Trainer::Impl& trainer, const FitOptions& options, Feed* feed, Known known)
      : trainer_(trainer),
        objective_(trainer.objective),
        options_(options),
        feed_(feed),
        known_(known),
        parts_(known.parts),
        keeper_(options.checkpoint),
        held_out_(trainer.objective, options) {}

  // A fit that is refused does not keep an optimizer that belonged to nobody.
  History run() {
    const bool fresh = trainer_.optimizer.state()->bound == nullptr;
    try {
      return train_all();
    } catch (...) {
      if (fresh && trainer_.optimizer.steps() == 0) trainer_.optimizer.state()->unbind();
      throw;
    }
  }

 private:
  History train_all() {
    if (!parts_) check_metrics(trainer_.net(), options_.metrics, options_.hooks.transform ? nullptr : known_.targets);
    held_out_.check();
    const bool shared = prepare();
    const auto check = [this](const FitState& written) {
      check_sums(written, parts_ ? parts_->size() : objective_.terms(), known_.x);
      if (parts_ && written.batch > 0) return parts_->check_gathered(written.gathered);
      check_gathered(written, trainer_, targets_in_place(), parts_ ? Metrics{} : options_.metrics);
    };
    if (keeper_.resume(trainer_, state_, check)) trainer_.stopped = state_.stopped;
    auto epochs = [&] {  // one that was stopped within ends, too
      while (state_.epoch < options_.epochs && (!trainer_.stopped || state_.batch > 0)) run_epoch();
    };
    Team::with(shared ? resolve_threads(threads_) : 1, epochs);
    keeper_.end(trainer_, state_);
    return std::move(state_.history);
  }

  // What can fail or allocate comes before the first step, where rows are known. Whether workers share steps.
  bool prepare() {
    trainer_.stopped = false;
    threads_ = options_.threads > 0 ? options_.threads : objective_.options.threads;
    const bool shared = parts_ ? parts_->compile() : !known_.x || options_.hooks.transform || compile();
    trainer_.prepare();
    state_.history = empty_history(objective_, options_, held_out_, parts_);
    if (keeper_.keeps()) {
      state_.settings = settings_of(trainer_, options_, known_.x, known_.targets, state_.history);
      if (parts_) parts_->add_settings(state_.settings);
      state_.initial_rate = trainer_.optimizer.learning_rate();
    }
    return shared;
  }

  bool compile() {
    const Dim full = std::min(options_.batch_size, known_.rows()), rest = known_.rows() % options_.batch_size;
    const auto ending = accumulates() ? Ending::accumulate : Ending::update;
    const bool shared = trainer_.training_plan(full, *known_.targets, predicts(), ending).shared();
    if (rest > 0 && !options_.drop_last) trainer_.training_plan(rest, *known_.targets, predicts(), ending);
    return shared;
  }

  bool accumulates() const { return options_.accumulate > 1; }
  bool penalized() const { return !objective_.options.weight_penalty.empty(); }
  bool predicts() const { return !options_.metrics.empty(); }

  // From its begin, or from where a checkpoint has left it.
  void run_epoch() {
    const bool begins = state_.batch == 0;
    if (begins && options_.hooks.epoch_begin) options_.hooks.epoch_begin(state_.epoch);
    if (begins && trainer_.stopped) return;  // before its first batch
    if (begins) state_.order = options_.seed ? state_.own_epochs++ : trainer_.net().epoch++;
    parts_ ? begin_parts() : begin_rows();
    run_batches();
    end_epoch();
  }

  void begin_parts() {
    parts_->begin_epoch(seed(), state_.order);
    parts_->load_gathered(std::exchange(state_.gathered, {}));
    parts_->skip(state_.batch);
  }

  void begin_rows() {
    feed_->begin_epoch(RandomSequence(seed(), RandomUse::shuffle, static_cast<std::uint32_t>(state_.order)));
    if (predicts()) begin_gathering();
    skip(state_.rows);
  }

  std::uint64_t seed() const { return options_.seed.value_or(trainer_.net().seed); }

  // Whose rows keep their places; null where there are none.
  const Targets* targets_in_place() const {
    return known_.x && !parts_ && !options_.hooks.transform && predicts() ? &(*known_.targets)[0] : nullptr;
  }

  void begin_gathering() {
    const Targets* in_place = targets_in_place();
    gathered_.begin(trainer_.net(), options_.metrics, in_place, in_place ? known_.rows() : 0);
    gathered_.load(state_.gathered);
    state_.gathered.clear();
  }

  // Rows that were trained on before.
  void skip(Dim rows) {
    while (rows > 0) {
      if (feed_->over()) fail("resume", "the data has fewer rows than were trained on");
      const Feed::Batch batch = feed_->next();
      if (predicts()) gathered_.skip(batch);
      rows -= batch.count;
    }
  }

  void run_batches() {
    while (!trainer_.stopped && !over()) {
      if (options_.hooks.batch_begin) options_.hooks.batch_begin(state_.batch);
      const double loss = run_batch();
      if (options_.hooks.batch_end) options_.hooks.batch_end(state_.batch - 1, loss);
      const bool due = ticker_.due();
      if (keeper_.due(state_.batch, due) && in_group_ == 0) keep();
      if (due) tell();
    }
    end_group();
    if (state_.rows == 0) fail_for_rows(options_);
  }

  bool over() { return parts_ ? parts_->over() : feed_->over(); }

  void tell() {
    ask_interrupt();
    if (options_.hooks.progress) options_.hooks.progress(state_.rows, mean_so_far() + mean_penalty() + mean_added());
  }

  double mean_so_far() const {
    return parts_ ? mean_loss(state_.losses, *parts_) : mean_loss(state_.losses, objective_.losses);
  }

  Feed::Batch numbered(Feed::Batch batch) {
    batch.seed = seed();
    batch.step = options_.seed ? state_.own_steps++ : trainer_.net().step++;
    batch.threads = threads_;
    return batch;
  }

  double run_batch() {
    if (parts_) return run_parts();
    Feed::Batch batch = numbered(feed_->next());
    batch.predict = predicts();
    if (options_.hooks.transform) batch = transformed_.apply(objective_, batch, options_.hooks.transform);
    const double loss = train(batch);
    if (predicts()) gathered_.add(batch, objective_.predicted);
    add_losses(batch.count);
    state_.rows += batch.count;
    ++state_.batch;
    count_in_group();
    return loss;
  }

  // The last look at the feed: it may end the batch's life.
  void count_in_group() {
    if (accumulates() && (++in_group_ == options_.accumulate || over())) end_group();
  }

  // The loss of an only output was read with the penalty in it.
  void add_losses(Dim rows) {
    const double penalty = objective_.penalty(), added = objective_.added();
    if (objective_.heads.size() == 1) objective_.heads[0].loss -= penalty + added;
    backpass::add_losses(state_.losses, objective_.heads);
    state_.penalty_sum += penalty * static_cast<double>(rows);
    state_.added_sum += added * static_cast<double>(rows);
  }

  double mean_penalty() const { return state_.penalty_sum / static_cast<double>(state_.rows); }
  double mean_added() const { return state_.added_sum / static_cast<double>(state_.rows); }

  double train(const Feed::Batch& batch) {
    if (in_group_ == 0) state_.learning_rate = trainer_.optimizer.current_learning_rate();
    const double loss = accumulates() ? trainer_.accumulate(batch, group_weight_) : trainer_.train(batch);
    require_finite(loss, batch);
    if (!trainer_.updated) throw DivergedError(state_.epoch, state_.batch, refused());
    if (accumulates()) return loss;
    update_averages(Per::step);
    return loss;
  }

  void require_finite(double loss, const Feed::Batch& batch) {
    if (!std::isfinite(loss))
      throw DivergedError(state_.epoch, state_.batch,
                          trainer_.net().first_non_finite(*batch.x, batch.rows, batch.count, batch.seed, batch.step));
  }

  // A step over a batch of each data set; the last walk updates, unless several steps do.
  double run_parts() {
    if (in_group_ == 0) state_.learning_rate = trainer_.optimizer.current_learning_rate();
    state_.losses.sums.resize(parts_->size());
    state_.losses.weights.resize(parts_->size());
    double total = 0, added = 0;
    const Dim before = state_.rows;
    for (std::size_t i = 0; i < parts_->size(); ++i) {
      total += run_part(i);
      added += (*parts_)[i].weight() * (*parts_)[i].objective->added();
    }
    const double rows = static_cast<double>(state_.rows - before);
    state_.penalty_sum += (*parts_)[0].objective->penalty() * rows;
    state_.added_sum += added * rows;
    if (!accumulates()) update_averages(Per::step);
    ++state_.batch;
    count_in_group();
    return total;
  }

  // What it adds to the loss.
  double run_part(std::size_t i) {
    DataPart& part = (*parts_)[i];
    Feed::Batch batch = numbered(parts_->next(i));
    batch.predict = part.predicts();
    if (part.set->transform)
      batch = naming(part.name, [&] { return part.transformed.apply(*part.objective, batch, part.set->transform); });
    const double whole = accumulates() ? parts_->accumulate(i, batch) : part.trainer->train(batch, parts_->ending(i));
    const double penalty = part.objective->penalty();
    require_finite(whole, batch);
    trainer_.gradient_norm = part.trainer->gradient_norm;
    if (!part.trainer->updated) throw DivergedError(state_.epoch, state_.batch, refused());
    if (part.predicts()) part.gathered.add(batch, part.objective->predicted);
    const double loss = whole - penalty - part.objective->added(), weight = part.objective->heads[0].weight;
    state_.losses.sums[i] += loss * weight;
    state_.losses.weights[i] += weight;
    if (&part == &parts_->lead()) state_.rows += batch.count;
    return part.weight() * (whole - penalty) + penalty;
  }

  void update_averages(Per per) {
    for (Average average : options_.averages)
      if (average.per() == per) average.update(trainer_.network());
  }

  // What was not finite, where the loss was.
  std::string refused() const {
    const bool gradient = Optimizer::State::without_gradient(trainer_.net()) || !std::isfinite(trainer_.gradient_norm);
    return gradient ? "the gradient" : "the update";
  }

  // The one update of some batches.
  void end_group() {
    if (in_group_ == 0) return;
    if (parts_) parts_->gather_gradients();
    if (!trainer_.update()) throw DivergedError(state_.epoch, state_.batch - 1, refused());
    in_group_ = 0;
    group_weight_ = 0;
    update_averages(Per::step);
  }

  void end_epoch() {
    update_averages(Per::epoch);
    ++trainer_.optimizer.state()->epochs;
    Logs logs;
    parts_ ? log_losses(state_.losses, *parts_, logs) : log_losses(state_.losses, objective_.losses, "", logs);
    if (penalized()) {
      logs[0].second += mean_penalty();
      logs.emplace_back(kPenaltyColumn, mean_penalty());
    }
    if (objective_.layers_add) {
      logs[0].second += mean_added();
      logs.emplace_back(kAddedColumn, mean_added());
    }
    parts_ ? parts_->log_metrics(logs) : gathered_.compute("", logs);
    held_out_.log(threads_, logs);
    logs.emplace_back("learning_rate", state_.learning_rate);
    append(state_.history, logs);
    const int epoch = state_.epoch++;
    state_.batch = state_.rows = 0;
    state_.losses.sums.clear();
    state_.losses.weights.clear();
    state_.penalty_sum = state_.added_sum = 0;
    if (options_.hooks.epoch_end) options_.hooks.epoch_end(epoch, logs);
    if (keeper_.due_after(state_.epoch)) keep();
  }

  void keep() {
    if (state_.batch > 0 && parts_) state_.gathered = parts_->save_gathered();
    if (state_.batch > 0 && predicts() && !parts_) state_.gathered = gathered_.save();
    keeper_.write(trainer_, state_);
    state_.gathered.clear();
  }

  Trainer::Impl& trainer_;
  Objective::Impl& objective_;
  const FitOptions& options_;
  Feed* feed_;
  Known known_;
  DataParts* parts_;
  Keeper keeper_;
  FitState state_;
  HeldOut held_out_;
  Gathered gathered_;
  Transformed transformed_;
  Ticker ticker_;
  Dim in_group_ = 0;         // batches since the last update, where several make one
  double group_weight_ = 0;  // of their rows
  int threads_ = 0;
};

}  // namespace

History Trainer::fit(const TrainingData& data, const FitOptions& options) {
  const InUse use(impl_->net().users, Use::calls_back);
  const Interrupt interrupt(options.hooks.interrupt);
  check_options(options);
  AllTargets targets;
  const Dim rows = check_rows(impl_->objective, data, "", options.check_finite, targets);
  if (rows == 0 || (options.drop_last && rows < options.batch_size)) fail_for_rows(options);
  require_some_weight(data.sample_weight);
  if (targets.free) impl_->objective.step_targets = targets;  // what plan() shows
  if (!impl_->optimizer.makes_steps()) return minimize(*impl_, data.x, targets, options);
  ArrayFeed feed(data.x, targets, cut_of(options), options.hooks.order);
  return Fit(*impl_, options, &feed, {&data.x, &targets}).run();
}

History Trainer::fit(const std::vector<DataSet>& sets, const FitOptions& options) {
  const InUse use(impl_->net().users, Use::calls_back);
  const Interrupt interrupt(options.hooks.interrupt);
  check_options(options);
  DataParts parts(*impl_, sets, options);
  if (!impl_->optimizer.makes_steps()) return minimize(*impl_, parts, options);
  const DataPart& lead = parts.lead();
  const ArrayViews* x = lead.streams() ? nullptr : &lead.set->data.x;
  return Fit(*impl_, options, nullptr, {x, &lead.targets, &parts}).run();
}

History Trainer::fit(const Stream& data, const FitOptions& options) {
  const InUse use(impl_->net().users, Use::calls_back);
  const Interrupt interrupt(options.hooks.interrupt);
  check_options(options);
  if (!impl_->optimizer.makes_steps()) fail_for_parts(impl_->optimizer.type());
  if (options.hooks.order) fail("fit", "shuffle takes a function for rows of arrays, not for a stream");
  StreamFeed feed(impl_->objective, data, {cut_of(options), options.check_finite, options.hooks.interrupt});
  return Fit(*impl_, options, &feed, {}).run();
}

}  // namespace backpass
