// Collecting rows.
#include "train/window.h"

#include <algorithm>

#include "base/error.h"

namespace backpass {

void Window::begin(const Network::Impl& net, const AllTargets& targets) {
  for (const Tensor& x : net.inputs()) x_.emplace_back(x.dtype());
  for (const Targets& t : targets.each) y_.emplace_back(t.labels ? DType::int32 : net.dtype);
  weight_ = Column(DType::float64);
  weighted_ = targets.weighted();
  targets_ = targets;
}

void Window::append(const Network::Impl& net, const ArrayViews& x, const AllTargets& targets, const std::int64_t* rows,
                    Dim count) {
  if (x_.empty()) begin(net, targets);
  if (targets.weighted() != weighted_) fail("sample_weight", "must come with every chunk or with none");
  if (targets.form() != targets_.form()) fail("y", "must have the same names, shapes and types in every chunk");
  for (std::size_t i = 0; i < targets.size(); ++i)
    if (targets[i].labels != targets_[i].labels) fail("y", "must be labels in every chunk or in none");
  for (std::size_t i = 0; i < x_.size(); ++i) x_[i].append(x[i], rows, count);
  for (std::size_t i = 0; i < y_.size(); ++i) y_[i].append(targets[i].y, rows, count);
  if (weighted_) weight_.append(targets.sample_weight, rows, count);
}

void Window::close(const Cut& cut, bool last, RandomSequence& random) {
  std::vector<ArrayView> views;
  for (const Column& column : x_) views.push_back(column.view());
  views_ = views;
  for (std::size_t i = 0; i < y_.size(); ++i) targets_.each[i].y = y_[i].view();
  if (weighted_) targets_.sample_weight = weight_.view();
  order_.resize(static_cast<std::size_t>(rows()));
  order_rows(order_, cut.shuffle, random);
  taken_ = last && !cut.drop_last ? order_.size() : cut.in_full_batches(order_.size());
}

void Window::append_rest(const Network::Impl& net, Window& to) const {
  const std::size_t rest = order_.size() - taken_;
  if (rest > 0) to.append(net, views_, targets_, order_.data() + taken_, static_cast<Dim>(rest));
}

Feed::Batch Window::next(Dim batch_size) {
  const std::int64_t* rows = order_.data() + done_;
  const std::size_t count = std::min(static_cast<std::size_t>(batch_size), taken_ - done_);
  done_ += count;
  return {&views_, &targets_, rows, static_cast<Dim>(count), 0, 0, 0};
}

}  // namespace backpass
