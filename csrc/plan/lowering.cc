// Lowering a fused graph.
#include "plan/lowering.h"

#include <algorithm>
#include <numeric>

#include "graph/reach.h"
#include "kernels/dispatch.h"

namespace backpass {
namespace {

std::vector<Dim> dims_of(const Shape& shape) { return {shape.begin(), shape.end()}; }

std::vector<Dim> strides(const Shape& shape) {
  std::vector<Dim> result(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) result[i - 1] = result[i] * shape[i];
  return result;
}

void add_once(std::vector<int>& list, int value) {
  if (value >= 0 && std::find(list.begin(), list.end(), value) == list.end()) list.push_back(value);
}

}  // namespace

Lowering::Lowering(Plan& plan, const PlanSpec& spec) : plan_(plan), spec_(spec), sources_(spec.batch, spec.training) {}

void Lowering::run() {
  add_leaves();
  choose_outputs();
  fusion_ = fuse(reachable(outputs_), outputs_, sources_, spec_.phases, spec_.separate_phases);
  choose_stored();
  add_values();
  for (std::size_t i = 0; i < fusion_.clusters.size(); ++i) lower(i);
  for (const Tensor& output : outputs_) plan_.outputs_.push_back(value_of(output));
  if (spec_.guard) plan_.guard_ = value_of(spec_.guard);
  add_update();
  set_stages();
  place_values();
}

int Lowering::add_value(std::size_t bytes, std::string name, int slot, std::size_t offset) {
  plan_.values_.push_back({{.bytes = bytes, .offset = offset}, slot, std::move(name)});
  return static_cast<int>(plan_.values_.size()) - 1;
}

std::size_t Lowering::bytes_of(const Tensor& t) const {
  return static_cast<std::size_t>(sources_.elements(t)) * size_of(t.dtype());
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
    outputs_.push_back(output.place.slot != kArena && elsewhere ? elementwise(Elementwise::copy, output.tensor)
                                                                : output.tensor);
  }
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
    plan_.calls_.push_back(make_gather_call({value, gathered++, in.tensor.dtype(), rows, cols}));
  }
  for (const auto& [op, place] : spec_.leaves)
    values_[op] = add_value(static_cast<std::size_t>(element_count(op->shape)) * size_of(op->dtype), op->name,
                            place.slot, place.offset);
}

// A value lies in memory where another call or the caller reads it; else it lives in registers.
void Lowering::choose_stored() {
  for (std::size_t i = 0; i < fusion_.clusters.size(); ++i) {
    const Cluster& cluster = fusion_.clusters[i];
    for (const Tensor& t : cluster.ops) {
      if (cluster.kind != Cluster::Kind::program && cluster.kind != Cluster::Kind::matmul) stored_[&t.op()] = true;
      for (const Tensor& from : t.op().inputs) {
        const Tensor root = fusion_.seen(from, i, sources_).root;
        if (!root) continue;
        const auto made = fusion_.cluster_of.find(&root.op());
        if (made != fusion_.cluster_of.end() && made->second != i) stored_[&root.op()] = true;
      }
    }
    if (const Tensor& only = cluster.ops[0]; cluster.ops.size() == 1 && cluster.kind == Cluster::Kind::program) {
      const Source source = sources_.of(only);  // a view that is written out reads its root from memory
      if (source.root && !(source.root == only)) stored_[&source.root.op()] = true;
    }
  }
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    const bool own = fusion_.cluster_of.count(&outputs_[i].op()) > 0;
    const Tensor root = own ? outputs_[i] : sources_.of(outputs_[i]).root;
    stored_[&root.op()] = true;
    if (const Place place = spec_.outputs[i].place; place.slot != kArena) targets_[&root.op()] = place;
  }
}

// One value per stored op and per scaled sum.
void Lowering::add_values() {
  for (const Cluster& cluster : fusion_.clusters)
    for (const Tensor& t : cluster.ops) {
      const auto scaled = fusion_.scaled_sums.find(&t.op());
      const Tensor result = scaled == fusion_.scaled_sums.end() ? t : scaled->second.result;
      if (!stored_.count(&t.op()) && !is_total_sum(t)) continue;
      const auto target = targets_.find(&result.op());
      const Place place = target == targets_.end() ? Place{} : target->second;
      values_[&result.op()] = add_value(bytes_of(result), result.kind(), place.slot, place.offset);
    }
}

int Lowering::value_of(const Tensor& t) {
  const auto own = values_.find(&t.op());
  if (own != values_.end()) return own->second;
  return values_.at(&sources_.of(t).root.op());
}

void Lowering::lower(std::size_t index) {
  const Cluster& cluster = fusion_.clusters[index];
  CallPtr call = spec_.dtype == DType::float64 ? lower_as<double>(index) : lower_as<float>(index);
  call->phase = cluster.phase;
  plan_.calls_.push_back(std::move(call));
}

template <class T>
CallPtr Lowering::lower_as(std::size_t index) {
  const Cluster& cluster = fusion_.clusters[index];
  switch (cluster.kind) {
    case Cluster::Kind::matmul:
      return lower_matmul<T>(index);
    case Cluster::Kind::program:
      return lower_program<T>(index);
    case Cluster::Kind::reduce:
      return lower_reduce<T>(cluster.ops[0]);
    case Cluster::Kind::copy:
      return make_copy_call<T>(copy_spec(cluster.ops[0]));
  }
  return nullptr;
}

// Every value that the program's operands name, and the slots of its sums.
void Lowering::read_and_write(Call& call, const Program& program) {
  for (const Instruction& i : program.instructions) {
    for (const Operand* operand : {&i.a, &i.b})
      if (operand->layout != Layout::none && !operand->in_register) add_once(call.reads, operand->index);
    for (const Operand* operand : {&i.out, &i.out2})
      if (operand->layout != Layout::none && !operand->in_register) add_once(call.writes, operand->index);
  }
  for (const TotalSum& sum : program.sums) {
    add_once(call.writes, sum.value);
    add_once(call.writes, sum.partials);
  }
  std::erase_if(call.reads, [&](int value) {
    return std::find(call.writes.begin(), call.writes.end(), value) != call.writes.end();
  });
}

bool has_sums(const Cluster& cluster) { return std::any_of(cluster.ops.begin(), cluster.ops.end(), is_total_sum); }

template <class T>
CallPtr Lowering::lower_program(std::size_t index) {
  const int partials = has_sums(fusion_.clusters[index]) ? add_value(0, "partials") : -1;
  const Program program = generate(index, fusion_, sources_, values_, -1, partials);
  if (partials >= 0)
    plan_.values_[static_cast<std::size_t>(partials)].life.bytes =
        static_cast<std::size_t>(program_tasks(program)) * program.sums.size() * sizeof(double);
  CallPtr call = make_program_call(kernels::table<T>(kernels::current_isa()), program);
  read_and_write(*call, program);
  return call;
}

// Where the product lies until its epilogue is done: in its own value, or in that of an epilogue's result that is
// written when the product is no longer needed and shares no memory with what the epilogue reads.
int Lowering::product_value(const Cluster& cluster) {
  const Tensor& product = cluster.ops[0];
  if (stored_.count(&product.op())) return value_of(product);
  std::size_t last_use = 0;
  for (std::size_t i = 1; i < cluster.ops.size(); ++i)
    for (const Tensor& from : cluster.ops[i].op().inputs)
      if (const Source s = sources_.of(from); s.root && s.root == product) last_use = i;
  for (std::size_t i = std::max<std::size_t>(last_use, 1); i < cluster.ops.size(); ++i) {
    const Tensor& t = cluster.ops[i];
    if (stored_.count(&t.op()) && !is_total_sum(t) && !shared_with_leaf(t)) return value_of(t);
  }
  return add_value(bytes_of(product), "product");
}

// A gradient that is added to lies where its old value is read.
bool Lowering::shared_with_leaf(const Tensor& t) {
  const Plan::Value& value = plan_.values_[static_cast<std::size_t>(value_of(t))];
  return std::any_of(spec_.leaves.begin(), spec_.leaves.end(), [&](const auto& leaf) {
    return value.slot != kArena && leaf.second.slot == value.slot && leaf.second.offset == value.life.offset;
  });
}

template <class T>
CallPtr Lowering::lower_matmul(std::size_t index) {
  const Cluster& cluster = fusion_.clusters[index];
  const kernels::Kernels<T>& k = kernels::table<T>(kernels::current_isa());
  const Op& op = cluster.ops[0].op();
  const Space a = sources_.space(op.inputs[0]), b = sources_.space(op.inputs[1]);
  MatmulSpec spec;
  spec.a = value_of(op.inputs[0]);
  spec.b = value_of(op.inputs[1]);
  spec.m = op.transpose_a ? a.cols : a.rows;
  spec.k = op.transpose_a ? a.rows : a.cols;
  spec.n = op.transpose_b ? b.rows : b.cols;
  spec.a_row = op.transpose_a ? 1 : a.cols;
  spec.a_k = op.transpose_a ? a.cols : 1;
  spec.b_k = op.transpose_b ? 1 : b.cols;
  spec.b_col = op.transpose_b ? b.cols : 1;
  spec.c = product_value(cluster);
  const int partials = has_sums(cluster) ? add_value(0, "partials") : -1;
  if (cluster.ops.size() > 1) spec.epilogue = generate(index, fusion_, sources_, values_, spec.c, partials);
  if (partials >= 0)
    plan_.values_[static_cast<std::size_t>(partials)].life.bytes =
        static_cast<std::size_t>(matmul_tasks(k, spec)) * spec.epilogue.sums.size() * sizeof(double);
  CallPtr call = make_matmul_call(k, spec);
  add_once(call->writes, spec.c);
  add_once(call->reads, spec.a);
  add_once(call->reads, spec.b);
  read_and_write(*call, spec.epilogue);
  return call;
}

template <class T>
CallPtr Lowering::lower_reduce(const Tensor& t) {
  const Shape shape = sources_.shape(t.op().inputs[0]);
  const auto at = [&](Dim axis) { return shape.begin() + axis; };
  ReduceSpec spec;
  spec.out = value_of(t);
  spec.a = value_of(t.op().inputs[0]);
  spec.outer = element_count(Shape(shape.begin(), at(t.op().dims.front())));
  spec.reduced = element_count(Shape(at(t.op().dims.front()), at(t.op().dims.back() + 1)));
  spec.inner = element_count(Shape(at(t.op().dims.back() + 1), shape.end()));
  spec.partials = add_value(reduce_partials(spec) * sizeof(double), "partials");
  return make_reduce_call(kernels::table<T>(kernels::current_isa()), spec);
}

// transpose, slice, pad, concat and broadcasts of any rank are copies between strides.
CopySpec Lowering::copy_spec(const Tensor& t) {
  const Op& op = t.op();
  const Shape shape = sources_.shape(t);
  CopySpec spec{value_of(t), op.kind == OpKind::pad ? element_count(shape) : 0, {}};
  Dim begin = 0;
  for (const Tensor& from : op.inputs) {
    const Shape a_shape = sources_.shape(from);
    CopyPart part{value_of(from), dims_of(a_shape), strides(shape), strides(a_shape), 0, 0};
    const std::vector<Dim> a_strides = part.a_strides;
    if (op.kind == OpKind::transpose) {
      part.dims = dims_of(shape);
      for (std::size_t i = 0; i < shape.size(); ++i)
        part.a_strides[i] = a_strides[static_cast<std::size_t>(op.dims[i])];
    } else if (op.kind == OpKind::slice) {
      part.dims = dims_of(shape);
      part.a_offset = op.dims[1] * a_strides[static_cast<std::size_t>(op.dims[0])];
    } else if (op.kind == OpKind::pad) {
      part.out_offset = op.dims[1] * part.out_strides[static_cast<std::size_t>(op.dims[0])];
    } else if (op.kind == OpKind::concat) {
      const std::size_t axis = static_cast<std::size_t>(op.dims[0]);
      part.out_offset = begin * part.out_strides[axis];
      begin += a_shape[axis];
    } else {  // broadcast
      part.dims = dims_of(shape);
      part.a_strides.assign(shape.size(), 0);
      const std::size_t skip = shape.size() - a_shape.size();
      for (std::size_t i = 0; i < a_shape.size(); ++i) part.a_strides[skip + i] = a_shape[i] == 1 ? 0 : a_strides[i];
    }
    spec.parts.push_back(std::move(part));
  }
  return spec;
}

void Lowering::add_update() {
  if (spec_.update_count == 0) return;
  const std::size_t bytes = static_cast<std::size_t>(spec_.update_count) * size_of(spec_.dtype);
  UpdateSpec update{spec_.rule,
                    add_value(bytes, "parameters", kParameters),
                    add_value(bytes, "gradients", kGradients),
                    {-1, -1},
                    spec_.update_count};
  for (int i = 0; i < spec_.update_slots; ++i) update.slots[i] = add_value(bytes, "optimizer state", kOptimizer0 + i);
  plan_.calls_.push_back(spec_.dtype == DType::float64
                             ? make_update_call(kernels::table<double>(kernels::current_isa()), update)
                             : make_update_call(kernels::table<float>(kernels::current_isa()), update));
}

// A call runs one stage after the last that writes what it reads; an update after everything; and, where phases are
// run apart, no stage holds two of them.
void Lowering::set_stages() {
  std::vector<int> made(plan_.values_.size(), 0);  // the stage after which a value is there
  int last = 0, floor = 0;
  Phase phase = Phase::forward;
  for (CallPtr& call : plan_.calls_) {
    const bool apart = spec_.separate_phases && call->phase != phase;
    if (call->phase == Phase::update || apart) floor = last;
    phase = call->phase;
    int stage = floor;
    for (int value : call->reads) stage = std::max(stage, made[static_cast<std::size_t>(value)]);
    call->stage = stage;
    last = std::max(last, stage + 1);
    for (int value : call->writes) made[static_cast<std::size_t>(value)] = stage + 1;
  }
  std::stable_sort(plan_.calls_.begin(), plan_.calls_.end(),
                   [](const CallPtr& a, const CallPtr& b) { return a->stage < b->stage; });
}

void Lowering::place_values() {
  std::vector<bool> seen(plan_.values_.size(), false);
  const auto touch = [&](int value, int stage) {
    Lifetime& life = plan_.values_[static_cast<std::size_t>(value)].life;
    life.first = seen[static_cast<std::size_t>(value)] ? std::min(life.first, stage) : stage;
    life.last = seen[static_cast<std::size_t>(value)] ? std::max(life.last, stage) : stage;
    seen[static_cast<std::size_t>(value)] = true;
  };
  for (const CallPtr& call : plan_.calls_) {
    for (int value : call->reads) touch(value, call->stage);
    for (int value : call->writes) touch(value, call->stage);
  }
  const int end = plan_.calls_.empty() ? 0 : plan_.calls_.back()->stage;
  for (int value : plan_.outputs_) touch(value, end);
  if (plan_.guard_ >= 0) touch(plan_.guard_, end);
  std::vector<Lifetime*> lifetimes;
  for (std::size_t i = 0; i < plan_.values_.size(); ++i)
    if (plan_.values_[i].slot == kArena && seen[i]) lifetimes.push_back(&plan_.values_[i].life);
  plan_.arena_bytes_ = place(lifetimes);
}

}  // namespace backpass
