// Fusing ops into clusters, greedily and in order.
#include "plan/compile/fuse.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <unordered_set>

#include "graph/op_row.h"

namespace backpass {

bool is_leaf(const Tensor& t) { return role(t.op()) == Role::leaf; }

bool is_generator(const Tensor& t) { return role(t.op()) == Role::generator; }

bool is_row_number(const Tensor& t) { return role(t.op()) == Role::row_number || is_row_sum(t); }

bool is_total_sum(const Tensor& t) {
  return t.op().kind == OpKind::sum && t.op().dims.size() == t.op().inputs[0].shape().size();
}

bool is_row_sum(const Tensor& t) {
  const Op& op = t.op();
  return op.kind == OpKind::sum && !is_total_sum(t) &&
         op.dims.back() + 1 == static_cast<Dim>(op.inputs[0].shape().size());
}

std::vector<Tensor> reads(const Tensor& t, Sources& sources) {
  if (!is_product(t.op())) return t.op().inputs;
  return {sources.operand(t, 0).from, sources.operand(t, 1).from};
}

bool has_sums(const Cluster& cluster) { return std::ranges::any_of(cluster.ops, is_total_sum); }

Source Fusion::seen(const Tensor& t, std::size_t index, Sources& sources) const {
  const auto written = cluster_of.find(&t.op());
  return written != cluster_of.end() && written->second < index ? Source{t, Layout::full, {}, {}} : sources.of(t);
}

namespace {

bool is_row_op(const Tensor& t) { return role(t.op()) == Role::row || is_row_number(t); }

class Fuser {
 public:
  Fuser(Sources& sources, const std::unordered_map<const Op*, Phase>& phase_of, bool separate)
      : sources_(sources), phase_of_(phase_of), separate_(separate) {}

  Fusion run(const std::vector<Tensor>& order, const std::vector<Tensor>& outputs) {
    find_needed(order, outputs);
    find_scaled_sums(order, outputs);
    for (const Tensor& t : order)
      if (needed_.count(&t.op())) place(t);
    for (const Tensor& t : outputs) materialize(t);
    return std::move(fusion_);
  }

 private:
  // Roots in reverse order of making: what no output needs is never computed.
  void find_needed(const std::vector<Tensor>& order, const std::vector<Tensor>& outputs) {
    for (const Tensor& t : order) sources_.of(t);  // inputs before users, so that resolving never recurses deeply
    for (const Tensor& t : outputs) need(t);
    for (auto t = order.rbegin(); t != order.rend(); ++t)
      if (needed_.count(&t->op()))
        for (const Tensor& from : reads(*t, sources_)) need(from);
  }

  void need(const Tensor& t) {
    const Source source = sources_.of(t);
    if (source.constant) return;
    needed_.insert(&source.root.op());
    ++uses_[&source.root.op()];
  }

  // sum -> scale by a constant: done when the sum's call finishes, before its result is rounded.
  void find_scaled_sums(const std::vector<Tensor>& order, const std::vector<Tensor>& outputs) {
    std::unordered_set<const Op*> out;
    for (const Tensor& t : outputs)
      if (const Source s = sources_.of(t); s.root) out.insert(&s.root.op());
    for (const Tensor& t : order) {
      if (!needed_.count(&t.op())) continue;
      const auto scaled = sources_.scaling(t);
      if (!scaled) continue;
      const Source from = sources_.of(scaled->second);
      if (!from.root || from.layout != Layout::full) continue;
      const auto chained = fusion_.result_of.find(&from.root.op());
      const Tensor sum = chained != fusion_.result_of.end() ? chained->second : from.root;
      if (sum.op().kind != OpKind::sum || is_row_sum(sum) || sources_.elements(t) != sources_.elements(sum)) continue;
      if (uses_[&from.root.op()] != 1 || out.count(&from.root.op())) continue;
      ScaledSum& entry = fusion_.scaled_sums[&sum.op()];
      entry = {t, entry.alpha * scaled->first};
      fusion_.result_of[&t.op()] = sum;
    }
  }

  void place(const Tensor& t) {
    if (fusion_.result_of.count(&t.op())) return;
    switch (role(t.op())) {
      case Role::leaf:
      case Role::generator:
      case Role::view:
        return;
      case Role::elementwise:
      case Role::row:
      case Role::row_number:
        return place_in_program(t);
      case Role::sum:
        return is_total_sum(t) || is_row_sum(t) ? place_in_program(t) : place_alone(t, Cluster::Kind::reduce);
      case Role::product:
        return place_alone(t, Cluster::Kind::matmul);
      case Role::convolution:
        return place_alone(t, t.op().kind == OpKind::conv_weight ? Cluster::Kind::filters : Cluster::Kind::conv);
      case Role::windows:
        return place_alone(t, Cluster::Kind::windows);
      case Role::linalg:
        return place_alone(t, Cluster::Kind::linalg);
      case Role::movement:
        return place_alone(t, Cluster::Kind::copy);
      case Role::lookup:
        return place_alone(t, Cluster::Kind::rows);
      case Role::axis:
        return place_alone(t, Cluster::Kind::axis);
      case Role::recurrent:
        return place_part(t, Cluster::Kind::recurrent);
      case Role::update:
        return place_part(t, Cluster::Kind::update);
      case Role::host:
        return place_alone(t, Cluster::Kind::host);
    }
  }

  void place_in_program(const Tensor& t) {
    for (const Tensor& from : t.op().inputs) materialize_views(from, joins_axes(t));
    join(t);
  }

  void place_alone(const Tensor& t, Cluster::Kind kind) {
    for (const Tensor& from : reads(t, sources_)) materialize(from);
    add_cluster(kind, t, sources_.space(t));
  }

  // What one call leaves: the weight and the slots of a step, the parts of a walk through time.
  void place_part(const Tensor& t, Cluster::Kind kind) {
    const auto [found, is_new] = calls_.try_emplace(call_of(t.op()), fusion_.clusters.size());
    if (!is_new && adds_to(fusion_.clusters[found->second], t)) {
      fusion_.cluster_of[&t.op()] = found->second;
      return fusion_.clusters[found->second].ops.push_back(t);
    }
    place_alone(t, kind);
    found->second = fusion_.cluster_of.at(&t.op());
  }

  // All but which of the results it is.
  static std::vector<std::uintptr_t> call_of(const Op& op) {
    std::vector<std::uintptr_t> key{reinterpret_cast<std::uintptr_t>(op.update.get()),
                                    static_cast<std::uintptr_t>(op.kind), static_cast<std::uintptr_t>(op.reverse),
                                    static_cast<std::uintptr_t>(op.dims.size() > 1 ? op.dims[1] : 0)};
    for (const char letter : op.name) key.push_back(static_cast<std::uintptr_t>(letter));
    for (const Tensor& from : op.inputs) key.push_back(reinterpret_cast<std::uintptr_t>(&from.op()));
    return key;
  }

  // What a derivative reads of a walk is left by the walk itself, whatever its phase.
  bool adds_to(const Cluster& call, const Tensor& t) const {
    if (call.kind == Cluster::Kind::recurrent) return true;
    return call.phase == phase(t) &&
           std::ranges::none_of(call.ops, [&](const Tensor& made) { return made.op().dims == t.op().dims; });
  }

  // Operands of a program may be views of memory; a generator seen as anything but itself is written out, and so is a
  // view of other rows than the program's.
  void materialize_views(const Tensor& t, bool other_rows) {
    const Source source = sources_.of(t);
    if (!source.root || source.layout == Layout::full) return;
    if (is_generator(source.root)) write_out(source.root);
    if (other_rows && source.layout != Layout::scalar) write_out(t);
  }

  // Whether several axes of what it reads are one row.
  static bool joins_axes(const Tensor& t) { return is_row_sum(t) && t.op().dims.size() > 1; }

  // An operand that must lie in memory, dense: constants, broadcasts and generators are written out by a call of their
  // own.
  void materialize(const Tensor& t) {
    const Source source = sources_.of(t);
    if (source.root && source.layout == Layout::full && !is_generator(source.root)) return;
    write_out(source.root && source.layout == Layout::full ? source.root : t);
  }

  void write_out(const Tensor& t) {
    if (!fusion_.cluster_of.count(&t.op())) add_cluster(Cluster::Kind::program, t, sources_.space(t));
  }

  void add_cluster(Cluster::Kind kind, const Tensor& t, Space space) {
    fusion_.cluster_of[&t.op()] = fusion_.clusters.size();
    fusion_.clusters.push_back({kind, {t}, space, is_row_op(t) && sources_.of(t).root == t, phase(t)});
  }

  Phase phase(const Tensor& t) const {
    const auto found = phase_of_.find(&t.op());
    return found == phase_of_.end() ? Phase::forward : found->second;
  }

  // The space that an op is computed over: of what it reads where it reduces.
  Space space(const Tensor& t) const {
    const Op& op = t.op();
    if (is_row_sum(t)) {
      const Dim rows = sources_.elements(t), total = sources_.elements(op.inputs[0]);
      if (op.dims.size() == 1) return sources_.space(op.inputs[0]);
      return {rows, rows > 0 ? total / rows : 0};
    }
    const bool reduces = is_total_sum(t) || is_row_number(t);
    const Space own = sources_.space(reduces ? op.inputs[0] : t);
    // One axis alone is one row for a row operation.
    if (is_row_op(t) && sources_.shape(reduces ? op.inputs[0] : t).size() == 1) return {1, own.rows};
    return own;
  }

  Source seen(const Tensor& t) { return fusion_.seen(t, fusion_.clusters.size(), sources_); }

  // First the call that makes the latest operand, then a later program that reads one of the same operands.
  void join(const Tensor& t) {
    std::size_t earliest = 0;  // the first cluster that could hold t
    bool made_here = false;
    for (const Tensor& from : t.op().inputs) {
      const Source source = seen(from);
      if (!source.root) continue;
      const auto found = fusion_.cluster_of.find(&producer(source.root).op());
      if (found == fusion_.cluster_of.end()) continue;
      earliest = std::max(earliest, found->second);
      made_here = true;
    }
    if (!(made_here && try_join(t, earliest)) && !join_reader(t, earliest))
      add_cluster(Cluster::Kind::program, t, space(t));
    note_reads(t);
  }

  bool join_reader(const Tensor& t, std::size_t earliest) {
    for (const Tensor& from : t.op().inputs) {
      const Source source = seen(from);
      if (!source.root) continue;
      const auto found = reader_.find(&source.root.op());
      if (found != reader_.end() && found->second >= earliest && try_join(t, found->second)) return true;
    }
    return false;
  }

  void note_reads(const Tensor& t) {
    const std::size_t index = fusion_.cluster_of.at(&t.op());
    if (fusion_.clusters[index].kind != Cluster::Kind::program) return;
    for (const Tensor& from : t.op().inputs)
      if (const Source source = seen(from); source.root) reader_[&source.root.op()] = index;
  }

  // The op whose cluster makes a value: the sum where the value is a scaled sum.
  Tensor producer(const Tensor& root) const {
    const auto found = fusion_.result_of.find(&root.op());
    return found == fusion_.result_of.end() ? root : found->second;
  }

  bool try_join(const Tensor& t, std::size_t index) {
    Cluster& cluster = fusion_.clusters[index];
    if (!cluster.takes_more()) return false;
    // What the guard keeps back must not hide in a call that it lets pass.
    if ((cluster.phase == Phase::update) != (phase(t) == Phase::update)) return false;
    if (separate_ && (cluster.phase == Phase::forward) != (phase(t) == Phase::forward)) return false;
    if (is_row_op(t) && cluster.kind != Cluster::Kind::program) return false;
    const Space wanted = space(t);
    Space merged = cluster.space;
    if (!spaces_fit(t, wanted, cluster, merged)) return false;
    for (const Tensor& from : t.op().inputs)
      if (!operand_fits(from, index, merged)) return false;
    cluster.space = merged;
    cluster.whole_rows = cluster.whole_rows || is_row_op(t);
    cluster.ops.push_back(t);
    fusion_.cluster_of[&t.op()] = index;
    return true;
  }

  bool spaces_fit(const Tensor& t, Space wanted, const Cluster& cluster, Space& merged) const {
    if (wanted == cluster.space) return true;
    if (wanted.cols == 0 || cluster.space.cols == 0) return false;  // no tile would reach the columns beside nothing
    if (cluster.kind != Cluster::Kind::program || wanted.rows != cluster.space.rows) return false;
    if (wanted.cols == 1) return !is_row_op(t);  // a column beside full values
    if (cluster.space.cols != 1 || cluster.whole_rows) return false;
    merged = wanted;  // columns so far; now their rows have elements
    return true;
  }

  // A value of this very cluster must be there tile by tile when it is read.
  bool operand_fits(const Tensor& from, std::size_t index, Space merged) {
    const Source source = seen(from);
    if (!source.root) return true;
    const Tensor made = producer(source.root);
    const auto found = fusion_.cluster_of.find(&made.op());
    if (found == fusion_.cluster_of.end() || found->second != index) return true;
    if (is_total_sum(made)) return false;
    const Space root = sources_.space(source.root), seen = sources_.space(from);
    if (source.layout == Layout::full) return root == seen || (root.rows * root.cols == merged.rows && seen.cols == 1);
    return source.layout == Layout::column && root.rows * root.cols == merged.rows;
  }

  Sources& sources_;
  const std::unordered_map<const Op*, Phase>& phase_of_;
  bool separate_;
  Fusion fusion_;
  std::unordered_set<const Op*> needed_;
  std::unordered_map<const Op*, int> uses_;
  std::map<std::vector<std::uintptr_t>, std::size_t>
      calls_;                                          // the latest cluster of a call that leaves several results
  std::unordered_map<const Op*, std::size_t> reader_;  // the latest program that reads a value
};

}  // namespace

Fusion fuse(const std::vector<Tensor>& order, const std::vector<Tensor>& outputs, Sources& sources,
            const std::unordered_map<const Op*, Phase>& phase_of, bool separate_phases) {
  return Fuser(sources, phase_of, separate_phases).run(order, outputs);
}

}  // namespace backpass
