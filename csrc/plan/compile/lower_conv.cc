// Lowering convolutions, whose filters are packed by a call of their own and gradients to them summed by two; and
// pooling.
#include "base/sizes.h"
#include "graph/conv.h"
#include "kernels/dispatch.h"
#include "plan/compile/lowering.h"

namespace backpass {

ConvSpec Lowering::conv_spec(const Tensor& t) {
  const Op& op = t.op();
  const Convolution settings = convolution(op);
  const bool transposed = op.kind == OpKind::conv_transpose;
  const Shape x = sources_.shape(transposed ? t : op.inputs[0]);
  const Shape y = sources_.shape(op.kind == OpKind::conv ? t : op.inputs[transposed ? 0 : 1]);
  const Shape weight = sources_.shape(op.kind == OpKind::conv_weight ? t : op.inputs[1]);
  const Shape &in = transposed ? y : x, &out = transposed ? x : y;
  ConvSpec spec{.a = value_of(op.inputs[0]), .b = value_of(op.inputs[1])};
  spec.images = x[0];
  spec.channels = x[3];
  spec.filters = y[3];
  spec.groups = settings.groups;
  spec.height = {in[1], out[1], weight[1], settings.height, transposed};
  spec.width = {in[2], out[2], weight[2], settings.width, transposed};
  return spec;
}

template <class T>
CallPtr Lowering::lower_conv(std::size_t index) {
  const Cluster& cluster = fusion_.clusters[index];
  const kernels::Kernels<T>& k = kernels::table<T>(kernels::current_isa());
  ConvSpec spec = conv_spec(cluster.ops[0]);
  spec.out = product_value(cluster);
  const int packed =
      add_value(product_of_sizes(static_cast<std::size_t>(packed_filters(k, spec)), sizeof(T)), "filters");
  plan_.calls_.push_back(make_pack_filters_call(k, packed, spec));
  plan_.calls_.back()->phase = cluster.phase;
  spec.b = packed;
  const int partials = has_sums(cluster) ? add_value(0, "partials") : -1;
  if (cluster.ops.size() > 1) spec.epilogue = generate(index, fusion_, sources_, values_, spec.out, partials);
  if (partials >= 0)
    plan_.values_[static_cast<std::size_t>(partials)].life.bytes =
        product_of_sizes(static_cast<std::size_t>(conv_tasks(k, spec)), spec.epilogue.sums.size() * sizeof(double));
  spec.watched = cluster.ops.size() == 1 && watch_where_made(value_of(cluster.ops[0]));
  CallPtr call = make_conv_call(k, spec);
  call->reads = {spec.a, spec.b};
  call->writes = {spec.out};
  read_and_write(*call, spec.epilogue);
  call->by_rows.clear();
  return call;
}

template <class T>
CallPtr Lowering::lower_filters(const Tensor& t) {
  const kernels::Kernels<T>& k = kernels::table<T>(kernels::current_isa());
  ConvSpec spec = conv_spec(t);
  const Dim parts = conv_weight_parts(k, spec);
  spec.out = add_value(product_of_sizes(static_cast<std::size_t>(parts), bytes_of(t)), "by task");
  plan_.calls_.push_back(make_conv_weight_call(k, spec));
  plan_.calls_.back()->phase = fusion_.clusters[fusion_.cluster_of.at(&t.op())].phase;
  spec.a = spec.out;
  spec.out = value_of(t);
  spec.watched = watch_where_made(spec.out);
  return make_add_filters_call(k, spec, parts);
}

WindowSpec Lowering::window_spec(const Tensor& t) {
  const Op& op = t.op();
  const bool to_windows = op.kind == OpKind::window_sum || op.kind == OpKind::window_take;
  const Shape from = sources_.shape(op.inputs[0]), to = sources_.shape(t);
  const PoolAxes axes = pool_axes(op, to_windows ? from : to, to_windows ? to : from);
  WindowSpec spec{op.kind, value_of(t), value_of(op.inputs[0])};
  if (op.inputs.size() > 1) spec.chosen = value_of(op.inputs[1]);
  spec.images = to[0];
  spec.channels = to[3];
  spec.height = axes.height;
  spec.width = axes.width;
  return spec;
}

template CallPtr Lowering::lower_conv<float>(std::size_t);
template CallPtr Lowering::lower_conv<double>(std::size_t);
template CallPtr Lowering::lower_filters<float>(const Tensor&);
template CallPtr Lowering::lower_filters<double>(const Tensor&);

}  // namespace backpass
