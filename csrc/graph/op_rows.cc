// The list of what kinds of op are. A kind without a row, or with a row that lacks something, does not compile.
#include <algorithm>

#include "backpass/linalg.h"
#include "base/error.h"
#include "graph/rules.h"

namespace backpass {
namespace {

// Far beyond any network: it keeps sums of dimensions within int64.
constexpr std::size_t kMaxOperands = 1 << 18;

using Form = OpField::Form;

constexpr OpField kNameFields[] = {{"name", &Op::name}};
constexpr OpField kParameterFields[] = {
    {"sparse", &Op::sparse, Form::optional}, {"name", &Op::name}, {"initializer", &Op::initializer}};
constexpr OpField kStateFields[] = {{"name", &Op::name}, {"initializer", &Op::initializer}};
constexpr OpField kValueFields[] = {{"value", &Op::alpha}};
constexpr OpField kValuesFields[] = {{"values", &Op::values}};
constexpr OpField kCountFields[] = {
    {"dims", &Op::dims, Form::sizes}, {"least", &Op::alpha, Form::optional}, {"who", &Op::name, Form::optional}};
constexpr OpField kFunctionFields[] = {{"fn", &Op::fn}, {"derived", &Op::derived, Form::optional}};
constexpr OpField kMatmulFields[] = {
    {"transpose_a", &Op::transpose_a}, {"transpose_b", &Op::transpose_b}, {"precision", &Op::precision}};
constexpr OpField kConvFields[] = {{"dims", &Op::dims}, {"precision", &Op::precision}};
constexpr OpField kTriangleFields[] = {{"transpose_a", &Op::transpose_a}, {"lower", &Op::lower}, {"unit", &Op::unit}};
constexpr OpField kSolveFields[] = {{"transpose_a", &Op::transpose_a}};
constexpr OpField kSumFields[] = {{"dims", &Op::dims}, {"keepdims", &Op::keepdims}};
constexpr OpField kAxesFields[] = {{"dims", &Op::dims}};
constexpr OpField kAxisFields[] = {{"dims", &Op::dims, Form::one_dim}};
constexpr OpField kRangeFields[] = {{"dims", &Op::dims, Form::range}};
constexpr OpField kEpsFields[] = {{"eps", &Op::alpha}};
constexpr OpField kLabelsFields[] = {{"ignore", &Op::ignore, Form::optional}};
constexpr OpField kIndicesFields[] = {{"who", &Op::name}, {"ignore", &Op::ignore, Form::optional}};
constexpr OpField kGatherFields[] = {{"dims", &Op::dims}, {"who", &Op::name}};
constexpr OpField kArgsortFields[] = {{"dims", &Op::dims, Form::one_dim}, {"descending", &Op::reverse}};
constexpr OpField kRecurrenceFields[] = {{"dims", &Op::dims, Form::one_dim}, {"reverse", &Op::reverse}};
constexpr OpField kRecurrentFields[] = {{"dims", &Op::dims}, {"cell", &Op::name}, {"reverse", &Op::reverse}};
constexpr OpField kKeepFields[] = {{"rate", &Op::alpha}, {"stream", &Op::stream}};
constexpr OpField kNumbersFields[] = {{"stream", &Op::stream}, {"always", &Op::always, Form::optional}};
constexpr OpField kMomentumFields[] = {{"momentum", &Op::alpha}};

double no_flops(const Tensor&) { return 0; }
double input_flops(const Tensor& y) { return elements_per_row(y.op().inputs[0]); }

Grads nothing_flows(const Tensor&, const Tensor&, const Wanted&) { return {}; }

Tensor rebuilt_parameter(const Op& op) {
  Op made = parameter(op.shape, op.dtype, op.name, op.initializer).op();
  made.sparse = op.sparse;
  return make_tensor(std::move(made));
}

Tensor rebuilt_view(const Op& op) {
  const Tensor& x = op.inputs[0];
  return x.shape() == op.shape ? view(x) : reshape(x, op.shape);
}

const Tensor& input0(const Op& op) { return op.inputs[0]; }
const Tensor& input1(const Op& op) { return op.inputs[1]; }

// clang-format off
constexpr OpRow kRows[] = {
    {OpKind::input, "input", Role::leaf, {0, 0}, kNameFields, nothing_flows,
     [](const Op& op) { return input(op.shape, op.dtype, op.name); }, no_flops, nullptr},
    {OpKind::parameter, "parameter", Role::leaf, {0, 0}, kParameterFields, nothing_flows, rebuilt_parameter, no_flops, nullptr},
    {OpKind::state, "state", Role::leaf, {0, 0}, kStateFields, nothing_flows,
     [](const Op& op) { return state(op.shape, op.dtype, op.name, op.initializer); }, no_flops, nullptr},
    {OpKind::constant, "constant", Role::view, {0, 0}, kValueFields, nothing_flows,
     [](const Op& op) { return constant(op.alpha, op.shape, op.dtype); }, no_flops, nullptr},
    {OpKind::values, "values", Role::leaf, {0, 0}, kValuesFields, nothing_flows,
     [](const Op& op) { return constant(op.values, op.shape, op.dtype); }, no_flops, nullptr},
    {OpKind::count, "count", Role::view, {0, 0}, kCountFields, nothing_flows, rebuilt_count, no_flops, nullptr},
    {OpKind::elementwise, "elementwise", Role::elementwise, {1, 2}, kFunctionFields, elementwise_derivatives,
     rebuilt_elementwise, elements_per_row, batched_elementwise},
    {OpKind::matmul, "matmul", Role::product, {2, 2}, kMatmulFields, matmul_derivative,
     rebuilt_matmul, matmul_flops, batched_matmul},
    {OpKind::batch_matmul, "batch_matmul", Role::product, {2, 2}, kMatmulFields, batch_matmul_derivative,
     [](const Op& op) { return batch_matmul(input0(op), input1(op), op.transpose_a, op.transpose_b, op.precision); }, batch_matmul_flops, batched_batch_matmul},
    {OpKind::conv, "conv", Role::convolution, {2, 2}, kConvFields, conv_derivative, rebuilt_conv, conv_flops, batched_conv},
    {OpKind::conv_transpose, "conv_transpose", Role::convolution, {2, 2}, kConvFields, conv_transpose_derivative, rebuilt_conv, conv_flops, batched_conv},
    {OpKind::conv_weight, "conv_weight", Role::convolution, {2, 2}, kConvFields, conv_weight_derivative, rebuilt_conv, conv_flops, batched_conv},
    {OpKind::window_sum, "window_sum", Role::windows, {1, 1}, kAxesFields, window_sum_derivative, rebuilt_windows, window_flops, batched_windows},
    {OpKind::window_spread, "window_spread", Role::windows, {1, 1}, kAxesFields, window_spread_derivative, rebuilt_windows, window_flops, batched_windows},
    {OpKind::window_take, "window_take", Role::windows, {2, 2}, kAxesFields, window_take_derivative, rebuilt_windows, window_flops, batched_windows},
    {OpKind::window_put, "window_put", Role::windows, {2, 2}, kAxesFields, window_put_derivative, rebuilt_windows, window_flops, batched_windows},
    {OpKind::cholesky, "cholesky", Role::linalg, {1, 1}, {}, cholesky_derivative,
     [](const Op& op) { return linalg::cholesky(input0(op)); }, linalg_flops, batched_linalg},
    {OpKind::triangular_solve, "triangular_solve", Role::linalg, {2, 2}, kTriangleFields, triangular_solve_derivative,
     [](const Op& op) { return solve_triangle(input0(op), input1(op), op.transpose_a, op.lower, op.unit); }, linalg_flops, batched_linalg},
    {OpKind::solve, "solve", Role::linalg, {2, 2}, kSolveFields, solve_derivative,
     [](const Op& op) { return solve_square(input0(op), input1(op), op.transpose_a); }, linalg_flops, batched_linalg},
    {OpKind::inv, "inv", Role::linalg, {1, 1}, {}, inv_derivative,
     [](const Op& op) { return linalg::inv(input0(op)); }, linalg_flops, batched_linalg},
    {OpKind::det, "det", Role::linalg, {1, 1}, {}, det_derivative,
     [](const Op& op) { return linalg::det(input0(op)); }, linalg_flops, batched_linalg},
    {OpKind::det_sign, "det_sign", Role::linalg, {1, 1}, {}, nothing_flows,
     [](const Op& op) { return det_sign(input0(op)); }, linalg_flops, batched_linalg},
    {OpKind::log_abs_det, "log_abs_det", Role::linalg, {1, 1}, {}, log_abs_det_derivative,
     [](const Op& op) { return log_abs_det(input0(op)); }, linalg_flops, batched_linalg},
    {OpKind::eigh, "eigh", Role::linalg, {1, 1}, {}, eigh_derivative,
     [](const Op& op) { return eigen(input0(op)); }, linalg_flops, batched_linalg},
    {OpKind::qr, "qr", Role::linalg, {1, 1}, {}, qr_derivative,
     [](const Op& op) { return orthonormal(input0(op)); }, linalg_flops, batched_linalg},
    {OpKind::sum, "sum", Role::sum, {1, 1}, kSumFields, sum_derivative,
     [](const Op& op) { return sum(input0(op), op.dims, op.keepdims); }, input_flops, batched_sum},
    {OpKind::broadcast, "broadcast", Role::movement, {1, 1}, {}, broadcast_derivative,
     [](const Op& op) { return broadcast_to(input0(op), op.shape); }, no_flops, batched_broadcast, {}, broadcast_moves},
    {OpKind::reshape, "reshape", Role::view, {1, 1}, {}, reshape_derivative, rebuilt_view, no_flops, batched_reshape},
    {OpKind::transpose, "transpose", Role::movement, {1, 1}, kAxesFields, transpose_derivative,
     [](const Op& op) { return transpose(input0(op), op.dims); }, no_flops, batched_transpose, {}, transpose_moves},
    {OpKind::slice, "slice", Role::movement, {1, 1}, kRangeFields, slice_derivative,
     [](const Op& op) { return slice(input0(op), op.dims[0], op.dims[1], op.dims[2], step_of(op)); }, no_flops, batched_slice, {}, slice_moves},
    {OpKind::pad, "pad", Role::movement, {1, 1}, kRangeFields, pad_derivative,
     [](const Op& op) { return pad(input0(op), op.dims[0], op.dims[1], op.dims[2], op.shape, step_of(op)); }, no_flops, batched_pad, {}, pad_moves},
    {OpKind::flip, "flip", Role::movement, {1, 1}, kAxesFields, flip_derivative,
     [](const Op& op) { return flip(input0(op), op.dims); }, no_flops, batched_flip, {}, flip_moves},
    {OpKind::concat, "concat", Role::movement, {1, kMaxOperands}, kAxisFields, concat_derivative,
     [](const Op& op) { return concat(op.inputs, op.dims[0]); }, no_flops, batched_concat, {}, concat_moves},
    {OpKind::softmax, "softmax", Role::row, {1, 1}, {}, softmax_derivative,
     [](const Op& op) { return softmax(input0(op)); }, input_flops, batched_row, RowFunction::softmax},
    {OpKind::log_sum_exp, "log_sum_exp", Role::row_number, {1, 1}, {}, log_sum_exp_derivative,
     [](const Op& op) { return log_sum_exp(input0(op)); }, input_flops, batched_row, RowFunction::log_sum_exp},
    {OpKind::below_max, "below_max", Role::row, {1, 1}, {}, below_max_derivative,
     [](const Op& op) { return below_max(input0(op)); }, input_flops, batched_row, RowFunction::below_max},
    {OpKind::center, "center", Role::row, {1, 1}, {}, center_derivative,
     [](const Op& op) { return center(input0(op)); }, input_flops, batched_row, RowFunction::center},
    {OpKind::inverse_rms, "inverse_rms", Role::row_number, {1, 1}, kEpsFields, inverse_rms_derivative,
     rebuilt_inverse_rms, input_flops, batched_row, RowFunction::inverse_rms},
    {OpKind::take_label, "take_label", Role::row_number, {2, 2}, kLabelsFields, take_label_derivative,
     [](const Op& op) { return take_label(input0(op), input1(op), op.ignore); }, no_flops, batched_take_label, RowFunction::take_label},
    {OpKind::put_label, "put_label", Role::row, {2, 2}, kLabelsFields, put_label_derivative,
     [](const Op& op) { return put_label(input0(op), input1(op), op.shape, op.ignore); }, no_flops, batched_put_label, RowFunction::put_label},
    {OpKind::take, "take", Role::lookup, {2, 2}, kIndicesFields, take_derivative,
     [](const Op& op) { return take_for(op.name, input0(op), input1(op), op.ignore); }, no_flops, batched_take},
    {OpKind::scatter_add, "scatter_add", Role::lookup, {2, 2}, kIndicesFields, scatter_add_derivative,
     [](const Op& op) { return scatter_add(input0(op), input1(op), op.shape, op.ignore, op.name); }, no_flops, batched_scatter_add},
    {OpKind::gather, "gather", Role::lookup, {2, kMaxOperands}, kGatherFields, gather_derivative, rebuilt_gather, no_flops, batched_gather},
    {OpKind::gather_add, "gather_add", Role::lookup, {2, kMaxOperands}, kGatherFields, gather_add_derivative, rebuilt_gather, no_flops, batched_gather_add},
    {OpKind::max, "max", Role::axis, {1, 1}, kAxesFields, max_derivative, rebuilt_fold, input_flops, batched_fold},
    {OpKind::prod, "prod", Role::axis, {1, 1}, kAxesFields, prod_derivative, rebuilt_fold, input_flops, batched_fold},
    {OpKind::argmax, "argmax", Role::axis, {1, 1}, kAxesFields, nothing_flows, rebuilt_fold, input_flops, batched_fold, {}, nullptr, true},
    {OpKind::argsort, "argsort", Role::axis, {1, 1}, kArgsortFields, nothing_flows,
     [](const Op& op) { return argsort(input0(op), op.dims[0], op.reverse); }, input_flops, batched_argsort, {}, nullptr, true},
    {OpKind::recurrence, "recurrence", Role::axis, {1, 2}, kRecurrenceFields, recurrence_derivative, rebuilt_recurrence, input_flops, batched_recurrence},
    {OpKind::recurrent, "recurrent", Role::recurrent, {4, 6}, kRecurrentFields, recurrent_derivative, rebuilt_recurrent, recurrent_flops, batched_recurrent},
    {OpKind::recurrent_grad, "recurrent_grad", Role::recurrent, {6, 10}, kRecurrentFields, recurrent_grad_derivative, rebuilt_recurrent, recurrent_flops, batched_recurrent},
    {OpKind::random_keep, "random_keep", Role::generator, {0, 0}, kKeepFields, nothing_flows, rebuilt_random, no_flops, batched_random},
    {OpKind::random_normal, "random_normal", Role::generator, {0, 0}, kNumbersFields, nothing_flows, rebuilt_random, no_flops, batched_random},
    {OpKind::random_uniform, "random_uniform", Role::generator, {0, 0}, kNumbersFields, nothing_flows, rebuilt_random, no_flops, batched_random},
    {OpKind::by_mode, "by_mode", Role::view, {2, 2}, {}, by_mode_derivative,
     [](const Op& op) { return by_mode(input0(op), input1(op)); }, no_flops, batched_by_mode},
    {OpKind::track, "track", Role::view, {3, 3}, kMomentumFields, track_derivative,
     [](const Op& op) { return track(input0(op), input1(op), op.inputs[2], op.alpha); }, no_flops, batched_track},
    {OpKind::stop_gradient, "stop_gradient", Role::view, {1, 1}, {}, nothing_flows,
     [](const Op& op) { return stop_gradient(input0(op)); }, no_flops, batched_stop_gradient},
    {OpKind::add_loss, "add_loss", Role::view, {2, 2}, {}, add_loss_derivative,
     [](const Op& op) { return add_loss(input0(op), input1(op)); }, no_flops, batched_add_loss},
    {OpKind::custom, "custom", Role::view, {1, kMaxOperands}, {}, custom_derivative, nullptr, no_flops, batched_custom},
    {OpKind::after, "after", Role::movement, {2, 2}, {}, after_derivative,
     [](const Op& op) { return after(input0(op), input1(op)); }, no_flops, batched_after, {}, after_moves},
    {OpKind::update, "update", Role::update, {3, 7}, kAxisFields, update_derivative, nullptr, elements_per_row, batched_update},
    {OpKind::host, "host", Role::host, {1, kMaxOperands}, {}, host_derivative, nullptr, no_flops, batched_host},
};
// clang-format on

constexpr bool is_complete(const OpRow& row) {
  const bool by_row = row.role == Role::row || row.role == Role::row_number;
  // Which no file holds.
  const bool by_code = row.kind == OpKind::host || row.kind == OpKind::custom || row.kind == OpKind::update;
  const bool can_be_mapped = row.inputs.most > 0 || row.role == Role::generator;
  return row.derivative && row.flops && by_row == (row.row != RowFunction::none) &&
         (row.role == Role::movement) == static_cast<bool>(row.move) && (row.rebuild || by_code) &&
         can_be_mapped == static_cast<bool>(row.batch);
}

constexpr bool stand_in_order() {
  for (std::size_t i = 0; i < std::size(kRows); ++i)
    if (kRows[i].kind != static_cast<OpKind>(i)) return false;
  return std::size(kRows) == static_cast<std::size_t>(OpKind::host) + 1;
}

static_assert(stand_in_order(), "one row for each kind, in the order of OpKind");
static_assert(std::ranges::all_of(kRows, is_complete), "a row lacks what its role asks for");

}  // namespace

const OpRow& row_of(OpKind kind) { return kRows[static_cast<std::size_t>(kind)]; }
std::span<const OpRow> op_rows() { return kRows; }

bool is_choice(const Op& op) {
  if (op.kind == OpKind::host)  // of integers alone
    return std::ranges::all_of(op.inputs, [](const Tensor& x) { return x.dtype() == DType::int32; });
  return !op.derived && (op.kind == OpKind::elementwise ? is_choice(op.fn) : row_of(op).choice);
}

const char* name(OpKind kind) { return row_of(kind).name; }

Grads derivative(const Tensor& y, const Tensor& g, const Wanted& wanted) {
  const Deriving scope;
  return row_of(y.op()).derivative(y, g, wanted);
}

double elements_per_row(const Tensor& t) {
  double count = 1;
  for (const Dim dim : t.shape()) count *= dim == kBatch ? 1 : static_cast<double>(dim);
  return count;
}

}  // namespace backpass
