// Values that are kept for the backward pass in fewer bits, and widened when it comes to them.
#include <algorithm>

#include "kernels/dispatch.h"
#include "plan/compile/lowering.h"

namespace backpass {

// Values that calls behind the turn read: those of the backward pass, and those of the forward pass that are made
// again.
void Lowering::choose_narrow() {
  for (std::size_t i = 0; i < fusion_.clusters.size(); ++i)
    if (fusion_.clusters[i].phase >= Phase::backward || (i < segments_.size() && segments_[i] != kOnce))
      for (const Tensor& root : reads_of(i))
        if (gone_.count(&root.op()) == 0 && may_be_narrow(root)) narrow_[&root.op()] = -1;
}

// What the forward pass takes in or makes, before it comes to the loss. Rows and columns stay as they are: they hold
// statistics, and few bytes.
bool Lowering::may_be_narrow(const Tensor& t) {
  const auto value = values_.find(&t.op());
  const Space space = sources_.space(t);
  if (value == values_.end() || t.dtype() != DType::float32 || space.rows < 2 || space.cols < 2) return false;
  if (plan_.values_[static_cast<std::size_t>(value->second)].slot != kArena || results_.count(&t.op()) > 0)
    return false;
  const auto phase_of = [&](const Tensor& op) {
    const auto found = phases_.find(&op.op());
    return found == phases_.end() ? Phase::forward : found->second;
  };
  const auto made = fusion_.cluster_of.find(&t.op());
  if (made == fusion_.cluster_of.end()) return phase_of(t) == Phase::forward;
  const Cluster& cluster = fusion_.clusters[made->second];
  return cluster.phase == Phase::forward &&
         std::ranges::none_of(cluster.ops, [&](const Tensor& op) { return phase_of(op) == Phase::loss; });
}

void Lowering::narrow(const Tensor& t) {
  const auto found = narrow_.find(&t.op());
  if (found == narrow_.end()) return;
  const Dim elements = sources_.elements(t);
  found->second = add_value(narrow_bytes(elements, *spec_.narrow), t.kind() + ' ' + name(*spec_.narrow));
  plan_.calls_.push_back(make_narrow_call(kernels::table<float>(kernels::current_isa()),
                                          {found->second, value_of(t), elements, *spec_.narrow}));
}

// Later clusters read the wide value.
void Lowering::widen(const Tensor& t) {
  const auto found = narrow_.find(&t.op());
  if (found == narrow_.end()) return;
  const int wide = add_value(bytes_of(t), t.kind());
  plan_.calls_.push_back(make_widen_call(kernels::table<float>(kernels::current_isa()),
                                         {wide, found->second, sources_.elements(t), *spec_.narrow}));
  plan_.calls_.back()->phase = Phase::backward;
  plan_.calls_.back()->late = true;
  values_[&t.op()] = wide;
  narrow_.erase(found);
}

}  // namespace backpass
