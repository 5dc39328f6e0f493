// Drawing from data sets.
#include "train/data_parts.h"

#include <algorithm>

#include "base/error.h"
#include "train/evaluate.h"
#include "train/fit_settings.h"
#include "train/stream_feed.h"

namespace backpass {

DataParts::DataParts(Trainer::Impl& trainer, const std::vector<DataSet>& sets, const FitOptions& options)
    : options_(options) {
  if (options.hooks.transform) fail("fit", "augment takes rows that are no list of data sets: each has its own");
  if (options.hooks.order) fail("fit", "shuffle takes a function for rows that are no list of data sets");
  for (CheckedSet& set : checked_sets(trainer.objective, sets, options.metrics, options.check_finite)) {
    std::unique_ptr<Trainer::Impl> own(new Trainer::Impl{Objective(set.objective), trainer.optimizer, trainer.by_hand});
    const Dim batch_size = set.set->batch_size > 0 ? set.set->batch_size : options.batch_size;
    if (options.drop_last && !set.streams() && set.set->data.x[0].rows() < batch_size)
      fail("fit", "drop_last leaves no row: there are fewer than batch_size = ", batch_size, ", in data set ",
           set.name);
    parts_.push_back({std::move(set), std::move(own), {batch_size, options.shuffle, options.drop_last}});
  }
  for (DataPart& part : parts_) part.feed = feed_of(part);
  const auto batches = [](const DataPart& part) {
    return part.streams() ? std::numeric_limits<Dim>::max() : static_cast<const ArrayFeed&>(*part.feed).batches();
  };
  for (std::size_t i = 1; i < parts_.size(); ++i)
    if (batches(parts_[i]) > batches(lead())) lead_ = i;
}

std::unique_ptr<Feed> DataParts::feed_of(const DataPart& part) const {
  if (!part.streams()) return std::make_unique<ArrayFeed>(part.set->data.x, part.targets, part.cut);
  return std::make_unique<StreamFeed>(*part.objective, *part.set->stream,
                                      StreamFeed::Settings{part.cut, options_.check_finite, options_.hooks.interrupt});
}

DataParts::Ending DataParts::ending(std::size_t i) const {
  if (options_.accumulate > 1) return Ending::accumulate;
  const bool first = i == 0, last = i + 1 == parts_.size();
  if (first) return last ? Ending::update : Ending::gradients;
  return last ? Ending::sum_update : Ending::sum;
}

bool DataParts::compile() {
  bool shared = false;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    DataPart& part = parts_[i];
    if (part.streams() || part.set->transform) {
      shared = true;
      continue;
    }
    const auto plan = [&](Dim rows) -> Plan& {
      return part.trainer->training_plan(rows, part.targets, part.predicts(), ending(i));
    };
    const Dim rows = part.set->data.x[0].rows(), full = std::min(part.cut.batch_size, rows), rest = rows % full;
    shared = plan(full).shared() || shared;
    if (rest > 0 && !part.cut.drop_last) plan(rest);
  }
  return shared;
}

void DataParts::begin_epoch(std::uint64_t seed, std::uint64_t order) {
  constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15;  // spreads the parts' keys
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    DataPart& part = parts_[i];
    part.passed = false;
    part.feed->begin_epoch(RandomSequence(seed ^ (kGolden * i), RandomUse::shuffle, static_cast<std::uint32_t>(order)));
    if (part.predicts()) part.gathered.begin(part.objective->net(), *part.metrics, nullptr, 0);
  }
}

bool DataParts::over() {
  return std::ranges::all_of(parts_, [](DataPart& part) {
    return part.passed = part.passed || naming(part.name, [&] { return part.feed->over(); });
  });
}

Feed::Batch DataParts::next(std::size_t i) {
  DataPart& part = parts_[i];
  return naming(part.name, [&] {
    if (part.feed->over()) {
      part.passed = true;
      part.feed->begin_again();
      if (part.feed->over())
        fail("fit",
             "needs at least one row whenever it begins again; an iterator can be gone through once: give a "
             "function that makes one");
    }
    return part.feed->next();
  });
}

void DataParts::skip(Dim batches) {
  for (Dim batch = 0; batch < batches; ++batch)
    for (std::size_t i = 0; i < parts_.size(); ++i) next(i);
}

void DataParts::add_settings(std::vector<std::pair<std::string, std::string>>& settings) const {
  for (const DataPart& part : parts_)
    add_data_settings(settings, *part.objective, part.streams() ? nullptr : &part.set->data.x, part.targets,
                      part.cut.batch_size);
}

double DataParts::accumulate(std::size_t i, const Feed::Batch& batch) {
  DataPart& part = parts_[i];
  const Network::Impl& net = part.objective->net();
  if (part.group_weight > 0) part.gradients.put(net);
  const double loss = part.trainer->accumulate(batch, part.group_weight);
  part.gradients.take(net);
  return loss;
}

void DataParts::gather_gradients() {
  const Network::Impl& net = parts_[0].objective->net();
  parts_[0].gradients.put(net);
  for (std::size_t i = 1; i < parts_.size(); ++i) parts_[i].gradients.add(net);
  for (DataPart& part : parts_) part.group_weight = 0;
}

std::vector<std::string> DataParts::metric_columns() const {
  std::vector<std::string> columns;
  for (const DataPart& part : parts_)
    for (const auto& metric : *part.metrics) columns.push_back(column_of(metric.first, part, size() == 1));
  return columns;
}

void DataParts::log_metrics(Logs& logs) const {
  const std::vector<std::string> columns = metric_columns();
  Logs values;
  for (const DataPart& part : parts_)
    if (part.predicts()) part.gathered.compute("", values);
  for (std::size_t i = 0; i < values.size(); ++i) logs.emplace_back(columns[i], values[i].second);
}

std::vector<Array> DataParts::save_gathered() const {
  std::vector<Array> all;
  for (const DataPart& part : parts_)
    if (part.predicts())
      for (Array& array : part.gathered.save()) all.push_back(std::move(array));
  return all;
}

namespace {

// Calls use(part, its arrays) for each that has metrics; what save_gathered gave, by part.
template <class Parts>
void split_gathered(Parts& parts, std::vector<Array> arrays, auto use) {
  auto from = arrays.begin();
  for (auto& part : parts) {
    if (!part.predicts()) continue;
    const std::size_t count = Gathered::arrays_of(*part.metrics, part.objective->net(), false);
    const std::size_t left = static_cast<std::size_t>(arrays.end() - from);
    const auto end = from + static_cast<std::ptrdiff_t>(std::min(count, left));
    use(part, std::vector<Array>(std::make_move_iterator(from), std::make_move_iterator(end)));
    from = end;
  }
  if (from != arrays.end()) fail("resume", "the checkpoint is damaged: it has values of metrics that are not needed");
}

}  // namespace

void DataParts::load_gathered(std::vector<Array> arrays) {
  if (!arrays.empty())
    split_gathered(parts_, std::move(arrays),
                   [](DataPart& part, const std::vector<Array>& own) { part.gathered.load(own); });
}

void DataParts::check_gathered(const std::vector<Array>& arrays) const {
  std::vector<Array> copies;
  for (const Array& array : arrays) copies.push_back(copy_of(array));
  split_gathered(parts_, std::move(copies), [](const DataPart& part, const std::vector<Array>& own) {
    const Dim rows = own.size() > 1 && !own[1].shape().empty() ? own[1].shape()[0] : 0;
    Gathered::check(own, *part.objective, *part.metrics, nullptr, rows);
  });
}

double mean_loss(const LossSums& sums, const DataParts& parts) {
  double total = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) total += parts[i].weight() * mean_of(sums, i);
  return total;
}

void log_losses(const LossSums& sums, const DataParts& parts, Logs& logs) {
  logs.emplace_back("loss", mean_loss(sums, parts));
  for (std::size_t i = 0; parts.size() > 1 && i < parts.size(); ++i)
    logs.emplace_back("loss_" + parts[i].name, mean_of(sums, i));
}

}  // namespace backpass
