// Values of the forward pass that are not kept for the backward pass, but made again when it comes to them.
#include <algorithm>

#include "plan/compile/lowering.h"
#include "plan/compile/recompute.h"

namespace backpass {
namespace {

// What the host program computes is computed once, and so are steps; sums are small, and each is a pass over what they
// add up.
bool is_made_once(const Cluster& cluster) {
  return cluster.kind == Cluster::Kind::host || cluster.kind == Cluster::Kind::update ||
         cluster.kind == Cluster::Kind::reduce || has_sums(cluster);
}

}  // namespace

// The values that cluster `index` reads and does not make itself.
std::vector<Tensor> Lowering::reads_of(std::size_t index) {
  const Cluster& cluster = fusion_.clusters[index];
  std::vector<Tensor> found;
  const auto add = [&](const Tensor& root) {
    if (!root) return;
    const auto made = fusion_.cluster_of.find(&root.op());
    if (made == fusion_.cluster_of.end() || made->second != index) found.push_back(root);
  };
  for (const Tensor& t : cluster.ops)
    for (const Tensor& from : reads(t, sources_)) add(fusion_.seen(from, index, sources_).root);
  if (cluster.ops.size() == 1 && cluster.kind == Cluster::Kind::program)
    add(sources_.of(cluster.ops[0]).root);  // a view that is written out reads its root from memory
  return found;
}

// The clusters of the forward pass, and who reads their values.
std::vector<ForwardCall> Lowering::forward_calls() {
  const std::vector<Cluster>& clusters = fusion_.clusters;
  const auto end = std::ranges::find_if(clusters, [](const Cluster& c) { return c.phase != Phase::forward; });
  std::vector<ForwardCall> calls(static_cast<std::size_t>(end - clusters.begin()));
  std::unordered_map<const Op*, std::pair<std::size_t, std::size_t>> made;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    calls[i].kept = is_made_once(clusters[i]);
    for (const Tensor& t : clusters[i].ops) {
      calls[i].kept = calls[i].kept || results_.count(&t.op()) > 0;
      if (values_.count(&t.op()) == 0) continue;
      made[&t.op()] = {i, calls[i].values.size()};
      calls[i].values.push_back({bytes_of(t), i});
    }
  }
  for (std::size_t i = 0; i < clusters.size(); ++i)
    for (const Tensor& root : reads_of(i)) {
      const auto from = made.find(&root.op());
      if (from == made.end()) continue;
      ForwardCall::Value& value = calls[from->second.first].values[from->second.second];
      if (i < calls.size()) calls[i].reads.push_back(from->second);
      if (clusters[i].phase >= Phase::backward)
        value.late = true;
      else
        value.last_use = std::max(value.last_use, std::min(i, calls.size()));
    }
  return calls;
}

void Lowering::choose_again() {
  std::vector<ForwardCall> calls = forward_calls();
  choose_segments(calls);
  for (std::size_t i = 0; i < calls.size(); ++i) {
    segments_.push_back(calls[i].segment);
    auto value = calls[i].values.begin();
    for (const Tensor& t : fusion_.clusters[i].ops)
      if (values_.count(&t.op()) > 0 && (value++)->gone) gone_[&t.op()] = calls[i].segment;
  }
}

// Before cluster `index` is lowered behind the turn: what it reads is there.
void Lowering::bring_back(std::size_t index) {
  for (const Tensor& root : reads_of(index)) {
    if (const auto found = gone_.find(&root.op()); found != gone_.end()) compute_again(found->second);
    widen(root);
  }
}

// The same calls once more, into values of their own: later clusters read those.
void Lowering::compute_again(int segment) {
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    if (segments_[i] != segment) continue;
    bring_back(i);
    for (const Tensor& t : fusion_.clusters[i].ops) {
      if (values_.count(&t.op()) > 0) values_[&t.op()] = add_value(bytes_of(t), t.kind());
      gone_.erase(&t.op());
      narrow_.erase(&t.op());
    }
    std::size_t next = plan_.calls_.size();
    for (lower(i); next < plan_.calls_.size(); ++next) {
      Call& call = *plan_.calls_[next];
      call.phase = Phase::backward;
      call.again = true;
      call.detail += "; again";
    }
  }
}

}  // namespace backpass
