// Lowering a fused graph.
#include "plan/compile/lowering.h"

#include <algorithm>
#include <limits>

#include "base/convert.h"
#include "base/error.h"
#include "graph/reach.h"
#include "kernels/dispatch.h"

namespace backpass {

Lowering::Lowering(Plan& plan, const PlanSpec& spec)
    : plan_(plan), spec_(spec), phases_(spec.phases), sources_(spec.batch, spec.training) {
  if (spec.training) lanes_ = choose_lanes(spec.batch);
}

void Lowering::run() {
  add_leaves();
  choose_outputs();
  add_constants();
  const std::vector<Tensor> order = reachable(outputs_);
  check_leaves(order);
  sources_.number_streams(order);
  fusion_ = fuse(order, outputs_, sources_, phases_, spec_.separate_phases);
  choose_stored();
  add_values();
  if (spec_.recompute) choose_again();
  if (spec_.narrow) choose_narrow();
  for (const PlanInput& in : spec_.inputs) narrow(in.tensor);
  for (std::size_t i = 0; i < fusion_.clusters.size(); ++i) {
    if (fusion_.clusters[i].phase > spec_.assign_phase) add_assigns();
    if (fusion_.clusters[i].phase == Phase::update) add_watch();
    if (fusion_.clusters[i].phase >= Phase::backward) bring_back(i);
    lower(i);
    if (fusion_.clusters[i].phase == Phase::forward)
      for (const Tensor& t : fusion_.clusters[i].ops) narrow(fusion_.result(t));
  }
  for (std::size_t i = 0; i < spec_.outputs.size(); ++i) plan_.outputs_.push_back(value_of(outputs_[i]));
  if (spec_.guard) plan_.guard_ = value_of(spec_.guard);
  add_watch();
  add_update();
  add_assigns();
  choose_copied();
  set_stages();
  place_values();
}

// Rows are copied where the caller may look for them in the arena, or be gone before they are read.
void Lowering::choose_copied() {
  std::erase_if(plan_.gathers_, [&](const GatherSpec& gather) {
    return spec_.separate_phases || std::ranges::find(plan_.outputs_, gather.out) != plan_.outputs_.end();
  });
}

// A loss, a penalty or an optimizer of the user's may read what belongs to no model that it is used with.
void Lowering::check_leaves(const std::vector<Tensor>& order) const {
  for (const Tensor& t : order)
    if (is_leaf(t) && !values_.contains(&t.op()))
      fail(t.kind(), '"', t.name(), "\" of shape ", to_string(t.shape()),
           " is read here, but it is neither one of its inputs and targets nor a parameter of the model; what a loss "
           "shall "
           "know is part of its targets, and what shall be trained is part of the model");
}

int Lowering::add_value(std::size_t bytes, std::string name, int slot, std::size_t offset) {
  plan_.values_.push_back({{.bytes = bytes, .offset = offset}, slot, std::move(name)});
  return static_cast<int>(plan_.values_.size()) - 1;
}

std::size_t Lowering::bytes_of(const Tensor& t) const {
  return static_cast<std::size_t>(sources_.elements(t)) * size_of(t.dtype());
}

// A copy made in the phase of what it copies.
Tensor Lowering::copy_of(const Tensor& t) {
  const Tensor copy = t.dtype() == DType::int32 ? flip(t, std::vector<Dim>{}) : elementwise(Elementwise::copy, t);
  if (const auto phase = phases_.find(&t.op()); phase != phases_.end()) phases_[&copy.op()] = phase->second;
  return copy;
}

// An output with a place of its own is copied there where its elements already lie elsewhere.
void Lowering::choose_outputs() {
  std::vector<Tensor> tensors;
  for (const PlanOutput& output : spec_.outputs) tensors.push_back(output.tensor);
  for (const Tensor& t : reachable(tensors)) sources_.of(t);
  std::unordered_map<const Op*, bool> taken;
  for (const PlanOutput& output : spec_.outputs) {
    const Source source = sources_.of(output.tensor);
    const bool elsewhere =
        !source.root || source.layout != Layout::full || is_leaf(source.root) || taken[&source.root.op()];
    if (source.root) taken[&source.root.op()] = true;
    outputs_.push_back(output.place.slot != kArena && elsewhere ? copy_of(output.tensor) : output.tensor);
  }
  for (const PlanAssign& assign : spec_.assigns) outputs_.push_back(assign.value);
  for (const RowsUpdate& table : spec_.update.tables)
    for (const auto& lookup : table.lookups) outputs_.push_back(lookup.second);
  for (const Descent& descent : spec_.update.descents) outputs_.push_back(descent.along);
}

// Constants with elements of their own, in memory of the plan's.
void Lowering::add_constants() {
  std::vector<Tensor> found;
  std::size_t bytes = 0;
  for (const Tensor& t : reachable(outputs_))
    if (t.op().kind == OpKind::values) {
      found.push_back(t);
      values_[&t.op()] = add_value(bytes_of(t), "values", kConstants, bytes);
      bytes += round_up(bytes_of(t));
    }
  plan_.constants_ = AlignedBuffer(bytes);
  for (const Tensor& t : found)
    convert(plan_.constants_.data() + plan_.values_[static_cast<std::size_t>(values_.at(&t.op()))].life.offset,
            t.dtype(), t.op().values.data(), ElementType::float64, static_cast<Dim>(t.op().values.size()));
}

// Inputs and parameters, and the calls that gather.
void Lowering::add_leaves() {
  int external = kFirstExternal, gathered = 0;
  for (const PlanInput& in : spec_.inputs) {
    const int value =
        add_value(bytes_of(in.tensor), in.tensor.name(), in.gather ? static_cast<int>(kArena) : external++);
    values_[&in.tensor.op()] = value;
    if (!in.gather) continue;
    const Dim elements = sources_.elements(in.tensor);
    const Dim rows = spec_.batch, cols = rows > 0 ? elements / rows : 0;
    plan_.gathers_.push_back({value, gathered++, in.tensor.dtype(), rows, cols, lanes_});
    plan_.calls_.push_back(make_gather_call(plan_.gathers_.back()));
  }
  for (const auto& [op, place] : spec_.leaves)
    values_[op] = add_value(static_cast<std::size_t>(element_count(op->shape)) * size_of(op->dtype), op->name,
                            place.slot, place.offset);
}

// A value lies in memory where another call or the caller reads it; else it lives in registers.
void Lowering::choose_stored() {
  for (std::size_t i = 0; i < fusion_.clusters.size(); ++i) {
    const Cluster& cluster = fusion_.clusters[i];
    if (!cluster.takes_more())
      for (const Tensor& t : cluster.ops) stored_[&t.op()] = true;
    for (const Tensor& root : reads_of(i)) stored_[&root.op()] = true;
  }
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    const bool own = fusion_.cluster_of.count(&outputs_[i].op()) > 0;
    const Tensor root = own ? outputs_[i] : sources_.of(outputs_[i]).root;
    stored_[&root.op()] = true;
    results_.insert(&root.op());
    if (i >= spec_.outputs.size()) continue;  // the update phase reads it
    if (const Place place = spec_.outputs[i].place; place.slot != kArena) targets_[&root.op()] = place;
  }
}

// One value per stored op and per scaled sum.
void Lowering::add_values() {
  for (const Cluster& cluster : fusion_.clusters)
    for (const Tensor& t : cluster.ops) {
      const Tensor result = fusion_.result(t);
      if (!stored_.count(&t.op()) && !is_total_sum(t)) continue;
      const auto target = targets_.find(&result.op());
      const Place place = target == targets_.end() ? Place{} : target->second;
      values_[&result.op()] = add_value(bytes_of(result), name_of(result, place), place.slot, place.offset);
    }
}

// For people: of a gradient, the parameter that lies in its own buffer as the gradient does in its.
std::string Lowering::name_of(const Tensor& t, const Place& place) const {
  if (holds_gradients(place.slot))
    for (const auto& [leaf, of_leaf] : spec_.leaves)
      if (holds_parameters(of_leaf.slot) && gradient_beside(of_leaf) == place) return "grad " + leaf->name;
  return t.kind();
}

int Lowering::value_of(const Tensor& t) {
  const auto own = values_.find(&t.op());
  if (own != values_.end()) return own->second;
  return values_.at(&sources_.of(t).root.op());
}

// Once, behind the calls of its phase.
void Lowering::add_assigns() {
  if (assigned_ || spec_.assigns.empty()) return;
  assigned_ = true;
  AssignSpec spec;
  spec.phase = spec_.assign_phase;
  spec.norm = spec_.assign_phase == Phase::update ? plan_.norm_ : -1;
  for (const PlanAssign& assign : spec_.assigns)
    spec.parts.push_back({add_value(bytes_of(assign.value), "state", assign.place.slot, assign.place.offset),
                          value_of(assign.value), bytes_of(assign.value), assign.value.dtype()});
  plan_.calls_.push_back(make_assign_call(std::move(spec)));
}

// What clipping measures is not looked at twice, nor what the update's own call looks at.
bool Lowering::watches_gradients() const {
  const UpdatePhase& phase = spec_.update;
  return !phase.clip_norm && !phase.clip_value && !updates_few() && !(phase.segments.empty() && phase.tables.empty());
}

// So few parameters that one look at all gradients costs less than one for each of them.
bool Lowering::updates_few() const {
  constexpr Dim kFew = 32768;
  const UpdatePhase& phase = spec_.update;
  Dim elements = 0;
  for (const Segment& segment : phase.segments) elements += segment.end - segment.begin;
  return phase.tables.empty() && elements <= kFew;
}

// Whether the call that makes a value shall look at it.
bool Lowering::watch_where_made(int value) {
  const bool watched = watches_gradients() && holds_gradients(plan_.values_[static_cast<std::size_t>(value)].slot);
  if (watched) watched_.insert(value);
  return watched;
}

// Once, behind the backward pass: those gradients that their own calls do not look at, or, where others made them, all.
void Lowering::add_watch() {
  if (watching_ || !watches_gradients()) return;
  watching_ = true;
  WatchSpec spec;
  bool made = false;
  for (std::size_t i = 0; i < spec_.outputs.size(); ++i) {
    if (!holds_gradients(spec_.outputs[i].place.slot)) continue;
    made = true;
    const int value = value_of(outputs_[i]);
    if (!watched_.contains(value)) spec.parts.push_back({value, sources_.elements(outputs_[i])});
  }
  for (const RowsUpdate& table : spec_.update.tables)
    for (const auto& [lookup, grad] : table.lookups)
      spec.parts.push_back({value_of(grad), sources_.elements(grad), sources_.elements(lookup.op().inputs[1])});
  if (!made)
    for (const Segment& segment : spec_.update.segments) add_watched(spec, segment);
  if (spec.parts.empty()) return;
  plan_.calls_.push_back(spec_.dtype == DType::float64
                             ? make_watch_call(kernels::table<double>(kernels::current_isa()), spec)
                             : make_watch_call(kernels::table<float>(kernels::current_isa()), spec));
}

// What of a segment lies in each block.
void Lowering::add_watched(WatchSpec& spec, const Segment& segment) {
  const std::size_t width = size_of(spec_.dtype);
  for (std::size_t i = 0; i < spec_.update.blocks.size(); ++i) {
    const FlatBlock& block = spec_.update.blocks[i];
    const Dim begin = std::max(segment.begin, block.begin), elements = std::min(segment.end, block.end) - begin;
    if (elements <= 0) continue;
    spec.parts.push_back({add_value(static_cast<std::size_t>(elements) * width, "gradients", gradients_slot(i),
                                    static_cast<std::size_t>(begin - block.begin) * width),
                          elements});
  }
}

// The flat layout as far as it is swept.
std::vector<Stretch> Lowering::stretches(std::size_t width) {
  std::vector<Stretch> result;
  const UpdatePhase& phase = spec_.update;
  for (std::size_t i = 0; i < phase.blocks.size(); ++i) {
    const auto [begin, block_end] = phase.blocks[i];
    const Dim end = std::min(block_end, phase.segments.back().end);
    const std::size_t bytes = static_cast<std::size_t>(end - begin) * width;
    if (begin < end)
      result.push_back({begin, end, add_value(bytes, "parameters", parameters_slot(i)),
                        add_value(bytes, "gradients", gradients_slot(i))});
  }
  return result;
}

void Lowering::add_update() {
  if (spec_.dtype == DType::float64)
    add_update(kernels::table<double>(kernels::current_isa()));
  else
    add_update(kernels::table<float>(kernels::current_isa()));
}

// Clipping and the sweep, each in stages of its own.
template <class T>
void Lowering::add_update(const kernels::Kernels<T>& k) {
  const UpdatePhase& phase = spec_.update;
  for (const RowsUpdate& table : phase.tables) add_rows_update(k, table);
  for (const Descent& descent : phase.descents) add_descent(k, descent);
  if (phase.segments.empty()) return;
  const std::size_t bytes = static_cast<std::size_t>(phase.segments.back().end) * sizeof(T);
  UpdateSpec update{phase.rule, phase.name, stretches(sizeof(T))};
  update.segments = phase.segments;
  update.looks = updates_few();
  for (std::size_t i = 0; i < phase.slots.size(); ++i)
    if (phase.slots[i]) update.slots[i] = add_value(bytes, "optimizer state", kOptimizer0 + static_cast<int>(i));
  if (phase.clip_norm || phase.clip_value) {
    constexpr double kNone = std::numeric_limits<double>::infinity();
    update.norm = plan_.norm_ = add_value(sizeof(double), "gradient norm");
    const std::size_t partials = cut_segments(phase.segments).size() * sizeof(double);
    const ClipSpec clip{update.stretches,
                        update.norm,
                        add_value(partials, "partial sums"),
                        phase.clip_norm.value_or(kNone),
                        phase.clip_value.value_or(kNone),
                        phase.segments};
    plan_.calls_.push_back(make_measure_call(k, clip));
    if (phase.clip_norm) plan_.calls_.push_back(make_scale_call(k, clip));
    update.limit = std::min(clip.clip_norm, clip.clip_value);
  }
  if (phase.sweeps) plan_.calls_.push_back(make_update_call(k, update));
}

template <class T>
void Lowering::add_descent(const kernels::Kernels<T>& k, const Descent& descent) {
  const auto [slot, offset] = descent.parameter;
  const Dim elements = sources_.elements(descent.along);
  const int weight = add_value(bytes_of(descent.along), "parameters", slot, offset);
  UpdateSpec update{kernels::UpdateRule::sgd, "descent", {{0, elements, weight, value_of(descent.along)}}};
  update.looks = true;
  update.segments = {{0, elements, descent.settings}};
  plan_.calls_.push_back(make_update_call(k, update));
}

template <class T>
void Lowering::add_rows_update(const kernels::Kernels<T>& k, const RowsUpdate& table) {
  const std::size_t bytes = bytes_of(table.table);
  const auto [slot, offset] = spec_.leaves.at(&table.table.op());
  RowsUpdateSpec spec{spec_.update.rule, spec_.update.name, table.settings};
  spec.weight = add_value(bytes, "parameters", slot, offset);
  for (std::size_t i = 0; i < spec.slots.size(); ++i)
    if (spec_.update.slots[i])
      spec.slots[i] = add_value(bytes, "optimizer state", kOptimizer0 + static_cast<int>(i), table.offset);
  spec.rows = table.table.shape()[0];
  spec.row = spec.rows > 0 ? element_count(table.table.shape()) / spec.rows : 0;
  for (const auto& [lookup, grad] : table.lookups) {
    const Op& op = lookup.op();
    const Dim count = sources_.elements(op.inputs[1]);
    spec.parts.push_back({value_of(op.inputs[1]), value_of(grad), count, op.ignore});
    spec.count += count;
  }
  spec.order = add_value(static_cast<std::size_t>(spec.count) * sizeof(std::int64_t), "order of rows");
  plan_.calls_.push_back(make_sort_rows_call(spec));
  plan_.calls_.push_back(make_rows_update_call(k, spec));
}

}  // namespace backpass
