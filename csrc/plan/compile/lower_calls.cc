// Lowering each kind of cluster to its call.
#include <algorithm>
#include <stdexcept>

#include "base/sizes.h"
#include "graph/op_row.h"
#include "kernels/dispatch.h"
#include "plan/compile/lowering.h"

namespace backpass {
namespace {

void add_once(std::vector<int>& list, int value) {
  if (value >= 0 && std::find(list.begin(), list.end(), value) == list.end()) list.push_back(value);
}

}  // namespace

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
    case Cluster::Kind::conv:
      return lower_conv<T>(index);
    case Cluster::Kind::filters:
      return lower_filters<T>(cluster.ops[0]);
    case Cluster::Kind::windows:
      return make_window_call(kernels::table<T>(kernels::current_isa()), window_spec(cluster.ops[0]));
    case Cluster::Kind::linalg:
      return lower_linalg<T>(cluster.ops[0]);
    case Cluster::Kind::program:
      return lower_program<T>(index);
    case Cluster::Kind::reduce:
      return lower_reduce<T>(cluster.ops[0]);
    case Cluster::Kind::copy:
      if (cluster.ops[0].dtype() == DType::int32)
        return make_copy_call<std::int32_t>(copy_spec(cluster.ops[0]), nullptr);
      return make_copy_call<T>(copy_spec(cluster.ops[0]), kernels::table<T>(kernels::current_isa()).transpose);
    case Cluster::Kind::rows:
      return lower_rows<T>(cluster.ops[0]);
    case Cluster::Kind::axis:
      return lower_axis<T>(cluster.ops[0]);
    case Cluster::Kind::recurrent:
      return lower_recurrent<T>(cluster);
    case Cluster::Kind::update:
      return make_apply_call(kernels::table<T>(kernels::current_isa()), apply_spec(cluster));
    case Cluster::Kind::host:
      return make_host_call(host_spec(cluster.ops[0]));
  }
  return nullptr;
}

// Every value that the program's operands name, and the slots of its sums.
void Lowering::read_and_write(Call& call, const Program& program) {
  std::vector<int> whole;
  const auto add = [&](std::vector<int>& list, const Operand& operand) {
    if (operand.layout == Layout::none || operand.in_register) return;
    add_once(list, operand.index);
    add_once(operand.layout == Layout::full || operand.layout == Layout::column ? call.by_rows : whole, operand.index);
  };
  for (const Instruction& i : program.instructions) {
    for (const Operand* operand : {&i.a, &i.b}) add(call.reads, *operand);
    for (const Operand* operand : {&i.out, &i.out2, &i.out3}) add(call.writes, *operand);
  }
  for (int value : whole) std::erase(call.by_rows, value);
  for (const TotalSum& sum : program.sums) {
    add_once(call.writes, sum.value);
    add_once(call.writes, sum.partials);
  }
  std::erase_if(call.reads, [&](int value) {
    return std::find(call.writes.begin(), call.writes.end(), value) != call.writes.end();
  });
}

template <class T>
CallPtr Lowering::lower_program(std::size_t index) {
  const int partials = has_sums(fusion_.clusters[index]) ? add_value(0, "partials") : -1;
  const Program program = generate(index, fusion_, sources_, values_, -1, partials);
  if (partials >= 0)
    plan_.values_[static_cast<std::size_t>(partials)].life.bytes = product_of_sizes(
        static_cast<std::size_t>(program_tasks(program, lanes_)), program.sums.size() * sizeof(double));
  CallPtr call = make_program_call(kernels::table<T>(kernels::current_isa()), program, lanes_);
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

namespace {

// One dimension is one with the next where all steps fit.
std::vector<Repeated> joined(const std::vector<Repeated>& dims) {
  std::vector<Repeated> result;
  for (const Repeated& dim : dims) {
    if (dim.count == 1) continue;
    Repeated* last = result.empty() ? nullptr : &result.back();
    if (last && last->a == dim.count * dim.a && last->b == dim.count * dim.b)
      *last = {last->count * dim.count, dim.a, dim.b};
    else
      result.push_back(dim);
  }
  return result;
}

// How far on the next matrix of an operand (..., rows, cols) begins along dimension `at` of `rank` leading ones.
Dim step(const Shape& shape, const Shape& steps, std::size_t rank, std::size_t at) {
  const std::size_t skip = rank + 2 - shape.size();
  return at < skip || shape[at - skip] == 1 ? 0 : steps[at - skip];
}

}  // namespace

// The `rank` leading dimensions of an operation on matrices. An operand that is not there takes no steps.
std::vector<Repeated> Lowering::repeated(const Tensor& t, std::size_t rank) {
  const std::vector<Tensor>& inputs = t.op().inputs;
  const auto step_of = [&](std::size_t input, std::size_t at) {
    if (input >= inputs.size()) return Dim{0};
    return step(sources_.shape(inputs[input]), sources_.operand(t, input).steps, rank, at);
  };
  const Shape all = sources_.shape(inputs.size() > 1 ? t : inputs[0]);
  std::vector<Repeated> dims;
  for (std::size_t i = 0; i < rank; ++i) dims.push_back({all[i], step_of(0, i), step_of(1, i)});
  return joined(dims);
}

// Sizes and steps of a product.
MatmulSpec Lowering::matmul_spec(const Tensor& t) {
  const Op& op = t.op();
  const Strided left = sources_.operand(t, 0), right = sources_.operand(t, 1);
  Space a = sources_.space(op.inputs[0]), b = sources_.space(op.inputs[1]);
  MatmulSpec spec;
  spec.a = value_of(left.from);
  spec.b = value_of(right.from);
  if (op.kind == OpKind::batch_matmul) {
    const auto matrix = [](const Shape& shape) { return Space{shape[shape.size() - 2], shape.back()}; };
    spec.repeated = repeated(t, t.shape().size() - 2);
    a = matrix(sources_.shape(op.inputs[0]));
    b = matrix(sources_.shape(op.inputs[1]));
  }
  // From a row to the next, and from a column.
  const std::size_t rank_a = left.steps.size(), rank_b = right.steps.size();
  const Dim a_down = left.steps[rank_a - 2], a_along = left.steps[rank_a - 1];
  const Dim b_down = right.steps[rank_b - 2], b_along = right.steps[rank_b - 1];
  spec.m = op.transpose_a ? a.cols : a.rows;
  spec.k = op.transpose_a ? a.rows : a.cols;
  spec.n = op.transpose_b ? b.rows : b.cols;
  spec.a_row = op.transpose_a ? a_along : a_down;
  spec.a_k = op.transpose_a ? a_down : a_along;
  spec.b_k = op.transpose_b ? b_along : b_down;
  spec.b_col = op.transpose_b ? b_down : b_along;
  spec.precision = op.precision;
  return spec;
}

template <class T>
CallPtr Lowering::lower_matmul(std::size_t index) {
  const Cluster& cluster = fusion_.clusters[index];
  const kernels::Kernels<T>& k = kernels::table<T>(kernels::current_isa());
  MatmulSpec spec = matmul_spec(cluster.ops[0]);
  spec.lanes = lanes_;
  const bool sums_lanes = cluster.ops.size() == 1 && lane_cut(k, spec) == LaneCut::sums;
  spec.c =
      sums_lanes
          ? add_value(product_of_sizes(static_cast<std::size_t>(spec.lanes.count), bytes_of(cluster.ops[0])), "by lane")
          : product_value(cluster);
  if (pays_to_pack_a(k, spec)) {
    const int packed = add_value(static_cast<std::size_t>(spec.m * spec.k) * sizeof(T), "packed");
    plan_.calls_.push_back(make_pack_call(k, packed, spec));
    plan_.calls_.back()->phase = cluster.phase;
    spec.a = packed;
    spec.packed_a = true;
  }
  const int partials = has_sums(cluster) ? add_value(0, "partials") : -1;
  if (cluster.ops.size() > 1) spec.epilogue = generate(index, fusion_, sources_, values_, spec.c, partials);
  if (partials >= 0)
    plan_.values_[static_cast<std::size_t>(partials)].life.bytes =
        product_of_sizes(static_cast<std::size_t>(matmul_tasks(k, spec)), spec.epilogue.sums.size() * sizeof(double));
  const int result = cluster.ops.size() == 1 ? value_of(cluster.ops[0]) : -1;
  const bool watched = result >= 0 && watch_where_made(result);
  spec.watched = watched && !sums_lanes;
  CallPtr call = make_matmul_call(k, spec);
  add_once(call->writes, spec.c);
  add_once(call->reads, spec.a);
  add_once(call->reads, spec.b);
  call->by_rows = {spec.a, sums_lanes ? spec.b : spec.c};
  read_and_write(*call, spec.epilogue);
  if (!sums_lanes) {
    std::erase(call->by_rows, spec.b);
    return call;
  }
  call->phase = cluster.phase;
  plan_.calls_.push_back(std::move(call));
  return make_add_call(k, {result, spec.c, spec.lanes.count, spec.m * spec.n, watched});
}

template <class T>
CallPtr Lowering::lower_linalg(const Tensor& t) {
  const Op& op = t.op();
  const Shape a = sources_.shape(op.inputs[0]), all = sources_.shape(t);
  LinalgSpec spec{
      .kind = op.kind, .out = value_of(t), .a = value_of(op.inputs[0]), .n = a.back(), .rows = a[a.size() - 2]};
  // Leading dimensions: of a where there is nothing else.
  const std::size_t rank = op.inputs.size() > 1 ? all.size() - 2 : a.size() - 2;
  spec.lead = Shape(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(rank));
  spec.repeated = repeated(t, rank);
  if (op.inputs.size() > 1) {
    spec.b = value_of(op.inputs[1]);
    spec.columns = all.back();
  }
  spec.lower = op.lower;
  spec.unit = op.unit;
  spec.transpose = op.transpose_a;
  return make_linalg_call(kernels::table<T>(kernels::current_isa()), std::move(spec));
}

template <class T>
CallPtr Lowering::lower_reduce(const Tensor& t) {
  const Shape shape = sources_.shape(t.op().inputs[0]);
  const auto at = [&](Dim axis) { return shape.begin() + axis; };
  ReduceSpec spec;
  const auto scaled = fusion_.scaled_sums.find(&t.op());
  if (scaled != fusion_.scaled_sums.end()) spec.alpha = scaled->second.alpha;
  spec.out = value_of(scaled == fusion_.scaled_sums.end() ? t : scaled->second.result);
  spec.a = value_of(t.op().inputs[0]);
  spec.outer = element_count(Shape(shape.begin(), at(t.op().dims.front())));
  spec.reduced = element_count(Shape(at(t.op().dims.front()), at(t.op().dims.back() + 1)));
  spec.inner = element_count(Shape(at(t.op().dims.back() + 1), shape.end()));
  spec.lanes = lanes_;
  spec.partials = add_value(product_of_sizes(reduce_partials(spec), sizeof(double)), "partials");
  spec.watched = watch_where_made(spec.out);
  return make_reduce_call(kernels::table<T>(kernels::current_isa()), spec);
}

template <class T>
CallPtr Lowering::lower_rows(const Tensor& t) {
  const Op& op = t.op();
  if (op.kind == OpKind::gather || op.kind == OpKind::gather_add) return lower_gather<T>(t);
  const bool takes = op.kind == OpKind::take;
  const Dim rows = sources_.shape(takes ? op.inputs[0] : t)[0];
  const Dim count = sources_.elements(op.inputs[1]), table = sources_.elements(takes ? op.inputs[0] : t);
  RowsSpec spec{value_of(t), value_of(op.inputs[0]), value_of(op.inputs[1]), rows, rows > 0 ? table / rows : 0, count};
  spec.ignore = op.ignore;
  spec.who = op.name;
  if (t.dtype() == DType::int32) return make_take_call<std::int32_t>(spec);
  return takes ? make_take_call<T>(spec) : make_scatter_add_call<T>(spec);
}

// Indices have the rank of what is gathered, and on each side its dimensions or ones.
template <class T>
CallPtr Lowering::lower_gather(const Tensor& t) {
  const Op& op = t.op();
  const bool takes = op.kind == OpKind::gather;
  const Shape table = sources_.shape(takes ? op.inputs[0] : t), own = sources_.shape(op.inputs[1]);
  const Dim axis = op.dims[0], end = axis + op.dims[1], after = axis + static_cast<Dim>(op.inputs.size()) - 1;
  const auto count = [](const Shape& shape, Dim from, Dim to) {
    return element_count(Shape(shape.begin() + from, shape.begin() + to));
  };
  IndexSpec spec{.out = value_of(t), .a = value_of(op.inputs[0]), .who = op.name};
  for (std::size_t i = 1; i < op.inputs.size(); ++i) {
    spec.indices.push_back(value_of(op.inputs[i]));
    spec.sizes.push_back(table[static_cast<std::size_t>(axis) + i - 1]);
  }
  spec.outer = count(table, 0, axis);
  spec.count = count(own, axis, end);
  spec.inner = count(table, after, static_cast<Dim>(table.size()));
  const Dim own_inner = count(own, end, static_cast<Dim>(own.size()));
  spec.inner_stride = own_inner == 1 ? 0 : 1;
  spec.index_stride = own_inner;
  spec.outer_stride = count(own, 0, axis) == 1 ? 0 : spec.count * own_inner;
  if (!takes) return make_gather_add_call<T>(spec);
  if (t.dtype() == DType::int32) return make_gather_elements_call<std::int32_t>(spec);
  return make_gather_elements_call<T>(spec);
}

template <class T>
CallPtr Lowering::lower_axis(const Tensor& t) {
  const kernels::Kernels<T>& k = kernels::table<T>(kernels::current_isa());
  AxisSpec spec = axis_spec(t);
  const Op& op = t.op();
  if (op.kind == OpKind::argsort) return make_argsort_call<T>(spec);
  if (op.kind == OpKind::argmax) return make_argmax_call(k, spec);
  if (op.kind == OpKind::recurrence) {
    if (op.inputs.size() > 1) spec.factor = value_of(op.inputs[1]);
    return make_recurrence_call<T>(spec);
  }
  spec.fn = op.kind == OpKind::max ? Elementwise::maximum : Elementwise::multiply;
  spec.partials = add_value(product_of_sizes(fold_partials(spec), sizeof(T)), "partials");
  return make_fold_call(k, spec);
}

AxisSpec Lowering::axis_spec(const Tensor& t) {
  const Op& op = t.op();
  const Shape shape = sources_.shape(op.inputs[0]);
  const auto at = [&](Dim axis) { return shape.begin() + axis; };
  AxisSpec spec{value_of(t), value_of(op.inputs[0])};
  spec.outer = element_count(Shape(shape.begin(), at(op.dims.front())));
  spec.reduced = element_count(Shape(at(op.dims.front()), at(op.dims.back() + 1)));
  spec.inner = element_count(Shape(at(op.dims.back() + 1), shape.end()));
  spec.reverse = op.reverse;
  return spec;
}

ApplySpec Lowering::apply_spec(const Cluster& cluster) {
  const Op& op = cluster.ops[0].op();
  const UpdateStep& step = *op.update;
  ApplySpec spec{op.update, value_of(op.inputs[step.grad()]), value_of(op.inputs[step.numbers()])};
  if (step.scales) spec.factor = value_of(op.inputs[step.factor()]);
  spec.elements = sources_.elements(cluster.ops[0]);
  for (std::size_t i = 0; i < step.parts(); ++i) spec.parts.push_back({value_of(op.inputs[i]), -1});
  for (const Tensor& t : cluster.ops) spec.parts[static_cast<std::size_t>(t.op().dims[0])].to = value_of(t);
  return spec;
}

HostSpec Lowering::host_spec(const Tensor& t) {
  HostSpec spec{t.op().host, value_of(t), t.dtype(), sources_.shape(t), {}};
  for (const Tensor& from : t.op().inputs) spec.inputs.push_back({value_of(from), from.dtype(), sources_.shape(from)});
  return spec;
}

CopySpec Lowering::copy_spec(const Tensor& t) {
  const Op& op = t.op();
  std::vector<Shape> from;
  for (const Tensor& input : op.inputs) from.push_back(sources_.shape(input));
  std::vector<Move> moves = row_of(op).move(op, from, sources_.shape(t));
  CopySpec spec{value_of(t), 0, {}};
  Dim reached = 0;
  for (std::size_t i = 0; i < moves.size(); ++i) {
    reached += element_count(Shape(moves[i].dims.begin(), moves[i].dims.end()));
    spec.parts.push_back({std::move(moves[i]), value_of(op.inputs[i])});
  }
  if (const Dim all = sources_.elements(t); reached < all) spec.zero_elements = all;
  return spec;
}

}  // namespace backpass
