// Copying a batch and checking what has become of it.
#include "train/transform.h"

#include "base/error.h"
#include "train/column.h"

namespace backpass {
namespace {

ArrayViews views_of(const std::vector<Array>& arrays) { return std::vector<ArrayView>(arrays.begin(), arrays.end()); }

BatchArrays copy(const Network::Impl& net, const Feed::Batch& batch) {
  BatchArrays arrays;
  for (std::size_t i = 0; i < batch.x->size(); ++i)
    arrays.x.push_back(gather_rows((*batch.x)[i], net.inputs()[i].dtype(), batch.rows, batch.count));
  for (const Targets& t : batch.targets->each)
    arrays.y.push_back(gather_rows(t.y, t.labels ? DType::int32 : net.dtype, batch.rows, batch.count));
  arrays.names = batch.targets->names;
  return arrays;
}

}  // namespace

Feed::Batch Transformed::apply(const Objective::Impl& objective, const Feed::Batch& batch, const Hook& hook) {
  arrays_ = copy(objective.net(), batch);
  hook(arrays_, batch.seed, batch.step);
  const AllTargets& before = *batch.targets;
  if (before.weighted()) weight_ = gather_rows(before.sample_weight, DType::float64, batch.rows, batch.count);
  x_ = views_of(arrays_.x);
  const TrainingData data{x_, views_of(arrays_.y), before.weighted() ? ArrayView(weight_) : ArrayView(), arrays_.names};
  const Dim rows = check_data(objective.net(), objective.losses, data, targets_);
  if (rows != batch.count) fail("augment", "must keep the ", batch.count, " rows of a batch, got ", rows);
  Feed::Batch changed = batch;
  changed.x = &x_;
  changed.targets = &targets_;
  changed.rows = nullptr;
  return changed;
}

}  // namespace backpass
