// Tallies and gathered predictions.
#include "train/gathered.h"

#include <algorithm>

#include "base/error.h"

namespace backpass {
namespace {

void check_targets(const Array& y, const Objective::Impl& objective, Dim rows) try {
  const Network::Impl& net = objective.net();
  const Targets targets = fit_targets(objective.losses.of(0), net.outputs()[0].shape(), y, {}, rows, net.dtype);
  const DType dtype = targets.labels ? DType::int32 : objective.net().dtype;
  if (y.dtype() != dtype) fail("y", "expected ", name(dtype), ", got ", name(y.dtype()));
} catch (const std::invalid_argument& error) {
  fail("resume", "the checkpoint is damaged: ", error.what());
}

}  // namespace

std::vector<Gathered::Entry> Gathered::entries(const Metrics& metrics, const Network::Impl& net) {
  const std::size_t columns = static_cast<std::size_t>(element_count(with_rows(net.outputs()[0].shape(), 1)));
  std::vector<Entry> result;
  for (const auto& asked : metrics) {
    const NamedMetric* named = asked.second.target<NamedMetric>();
    if (named && !named->in_parts()) named = nullptr;
    const std::size_t size = named ? named->tally_size(columns) : 0;
    result.push_back({&asked, named, columns, std::vector<double>(size)});
  }
  return result;
}

bool Gathered::need_rows(const std::vector<Entry>& entries) {
  return std::ranges::any_of(entries, [](const Entry& entry) { return entry.tallied == nullptr; });
}

void Gathered::begin(const Network::Impl& net, const Metrics& metrics, const Targets* fixed, Dim rows) {
  entries_ = entries(metrics, net);
  fixed_ = fixed;
  // Memory of an epoch before serves again: to touch new pages takes longer than to write the rows.
  if (predictions_.dtype() != net.dtype) predictions_ = Column(net.dtype);
  predictions_.clear();
  targets_ = Column(net.dtype);
  seen_.clear();
  if (!fixed || !need_rows(entries_)) return;
  predictions_.resize(net.outputs()[0].shape(), rows);
  seen_.reserve(static_cast<std::size_t>(rows));
}

void Gathered::add(const Objective::Impl::Batch& batch, const ArrayView& predictions) {
  const Part part{(*batch.targets)[0].y, batch.rows, predictions};
  for (Entry& entry : entries_)
    if (entry.tallied) entry.tallied->add(entry.tally, part);
  if (need_rows(entries_)) keep_rows(batch, predictions);
}

void Gathered::keep_rows(const Objective::Impl::Batch& batch, const ArrayView& predictions) {
  if (!fixed_) {
    const Targets& targets = (*batch.targets)[0];
    if (targets_.rows() == 0 && targets.labels) targets_ = Column(DType::int32);
    targets_.append(targets.y, batch.rows, batch.count);
    predictions_.append(predictions, nullptr, batch.count);
    return;
  }
  for (Dim i = 0; i < batch.count; ++i) predictions_.put(batch.rows ? batch.rows[i] : i, predictions, i);
  skip(batch);
}

void Gathered::skip(const Objective::Impl::Batch& batch) {
  if (!fixed_ || !need_rows(entries_)) return;
  for (Dim i = 0; i < batch.count; ++i) seen_.push_back(batch.rows ? batch.rows[i] : i);
}

// Over the rows so far: of an epoch that was stopped, not all that have a place.
double Gathered::of_rows(const Metric& metric) const {
  if (!fixed_) return metric(targets_.view(), predictions_.view());
  const Dim count = static_cast<Dim>(seen_.size());
  if (count == predictions_.rows()) return metric(fixed_->y, predictions_.view());
  std::vector<std::int64_t> rows = seen_;
  std::ranges::sort(rows);
  const DType dtype = fixed_->labels ? DType::int32 : predictions_.dtype();
  return metric(gather_rows(fixed_->y, dtype, rows.data(), count),
                gather_rows(predictions_.view(), predictions_.dtype(), rows.data(), count));
}

void Gathered::compute(const std::string& prefix, Logs& logs) const {
  for (const Entry& entry : entries_) {
    const auto& [name, metric] = *entry.asked;
    logs.emplace_back(prefix + name,
                      entry.tallied ? entry.tallied->value(entry.tally, entry.columns) : of_rows(metric));
  }
}

std::vector<Array> Gathered::save() const {
  std::vector<double> tallies;
  for (const Entry& entry : entries_) tallies.insert(tallies.end(), entry.tally.begin(), entry.tally.end());
  std::vector<Array> arrays{Array(DType::float64, {static_cast<Dim>(tallies.size())})};
  std::ranges::copy(tallies, arrays[0].values<double>().begin());
  if (predictions_.rows() > 0) arrays.push_back(predictions_.copy());
  if (targets_.rows() > 0) arrays.push_back(targets_.copy());
  return arrays;
}

std::size_t Gathered::arrays_of(const Metrics& metrics, const Network::Impl& net, bool fixed) {
  return !need_rows(entries(metrics, net)) ? 1 : fixed ? 2 : 3;
}

void Gathered::check(const std::vector<Array>& arrays, const Objective::Impl& objective, const Metrics& metrics,
                     const Targets* fixed, Dim rows) {
  const Network::Impl& net = objective.net();
  const std::vector<Entry> wanted = entries(metrics, net);
  Dim size = 0;
  for (const Entry& entry : wanted) size += static_cast<Dim>(entry.tally.size());
  if (arrays.empty() || arrays[0].dtype() != DType::float64 || arrays[0].shape() != Shape{size})
    fail("resume", "the checkpoint is damaged: the tallies of metrics in it do not fit; an older backpass wrote none");
  const std::size_t kept = arrays_of(metrics, net, fixed != nullptr) - 1;
  const Shape expected = with_rows(net.outputs()[0].shape(), fixed ? fixed->y.rows() : rows);
  if (arrays.size() != 1 + kept || (kept > 0 && (arrays[1].dtype() != net.dtype || arrays[1].shape() != expected)))
    fail("resume", "the checkpoint is damaged: the predictions in it do not fit");
  if (kept == 2) check_targets(arrays[2], objective, rows);
}

void Gathered::load(const std::vector<Array>& arrays) {
  if (arrays.empty()) return;
  auto tally = arrays[0].values<double>().begin();
  for (Entry& entry : entries_) {
    std::copy_n(tally, entry.tally.size(), entry.tally.begin());
    tally += static_cast<std::ptrdiff_t>(entry.tally.size());
  }
  if (arrays.size() < 2) return;
  const ArrayView predictions = arrays[1];
  predictions_.clear();
  predictions_.append(predictions, nullptr, predictions.rows());
  if (fixed_) return;
  targets_ = Column(arrays.at(2).dtype());
  targets_.append(arrays[2], nullptr, predictions.rows());
}

}  // namespace backpass
