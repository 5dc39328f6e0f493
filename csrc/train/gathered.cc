// Gathering predictions.
#include "train/gathered.h"

#include "base/error.h"

namespace backpass {
namespace {

void check_targets(const Array& y, const Trainer::Impl& trainer, Dim rows) try {
  const Targets targets = fit_targets(trainer.losses.of(0), trainer.net().outputs()[0].shape(), y, {}, rows);
  const DType dtype = targets.labels ? DType::int32 : trainer.net().dtype;
  if (y.dtype() != dtype) fail("y", "expected ", name(dtype), ", got ", name(y.dtype()));
} catch (const std::invalid_argument& error) {
  fail("resume", "the checkpoint is damaged: ", error.what());
}

}  // namespace

void Gathered::begin(const Network::Impl& net, const Targets* fixed, Dim rows) {
  fixed_ = fixed;
  // Memory of an epoch before serves again: to touch new pages takes longer than to write the rows.
  if (predictions_.dtype() != net.dtype) predictions_ = Column(net.dtype);
  predictions_.clear();
  targets_ = Column(net.dtype);
  if (fixed) predictions_.resize(net.outputs()[0].shape(), rows);
}

void Gathered::add(const Trainer::Impl::Batch& batch, const ArrayView& predictions) {
  if (!fixed_) {
    const Targets& targets = (*batch.targets)[0];
    if (targets_.rows() == 0 && targets.labels) targets_ = Column(DType::int32);
    targets_.append(targets.y, batch.rows, batch.count);
    predictions_.append(predictions, nullptr, batch.count);
    return;
  }
  for (Dim i = 0; i < batch.count; ++i) predictions_.put(batch.rows ? batch.rows[i] : i, predictions, i);
}

void Gathered::compute(const Metrics& metrics, const std::string& prefix, Logs& logs) const {
  for (const auto& [name, metric] : metrics)
    logs.emplace_back(prefix + name, metric(fixed_ ? fixed_->y : targets_.view(), predictions_.view()));
}

std::vector<Array> Gathered::save() const {
  if (predictions_.rows() == 0) return {};
  if (fixed_) return {predictions_.copy()};
  return {predictions_.copy(), targets_.copy()};
}

void Gathered::check(const std::vector<Array>& arrays, const Trainer::Impl& trainer, const Targets* fixed, Dim rows) {
  const Network::Impl& net = trainer.net();
  Shape expected = net.outputs()[0].shape();
  expected[0] = fixed ? fixed->y.rows() : rows;
  if (arrays.size() != (fixed ? 1 : 2) || arrays[0].dtype() != net.dtype || arrays[0].shape() != expected)
    fail("resume", "the checkpoint is damaged: the predictions in it do not fit");
  if (!fixed) check_targets(arrays[1], trainer, rows);
}

void Gathered::load(const std::vector<Array>& arrays) {
  if (arrays.empty()) return;
  const ArrayView predictions = arrays[0];
  predictions_.clear();
  predictions_.append(predictions, nullptr, predictions.rows());
  if (fixed_) return;
  targets_ = Column(arrays.at(1).dtype());
  targets_.append(arrays[1], nullptr, predictions.rows());
}

}  // namespace backpass
