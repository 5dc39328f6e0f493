// What the rows of op_rows.cc name, each beside the shape rule in the file of its family.
#pragma once

#include "graph/op_row.h"

namespace backpass {

// What is computed of integers alone.
bool compares_integers(Elementwise fn, const Tensor& a, const Tensor& b);
Tensor compared_integers(Elementwise fn, const Tensor& a, const Tensor& b);
Tensor integers_as(const Tensor& x, DType dtype);
// What compares or casts integers, in the other real type; empty where x is made in another way.
Tensor of_integers_in(const Tensor& x, DType dtype);
// Both in one real type: what is made of constants and integers alone takes that of the other. Throws
// std::invalid_argument where neither is, or one is int32.
std::pair<Tensor, Tensor> in_one_type(const char* who, const Tensor& a, const Tensor& b);

// Derivatives.
Grads elementwise_derivatives(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads matmul_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads batch_matmul_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads conv_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads conv_transpose_derivative(const Tensor& x, const Tensor& h, const Wanted& wanted);
Grads conv_weight_derivative(const Tensor& weight, const Tensor& v, const Wanted& wanted);
Grads window_sum_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads window_spread_derivative(const Tensor& x, const Tensor& h, const Wanted& wanted);
Grads window_take_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads window_put_derivative(const Tensor& x, const Tensor& h, const Wanted& wanted);
Grads cholesky_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads triangular_solve_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads solve_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads inv_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads det_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads log_abs_det_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads eigh_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads qr_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads sum_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads broadcast_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads reshape_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads transpose_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads slice_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads pad_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads flip_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads concat_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads softmax_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads log_sum_exp_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads below_max_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads center_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads inverse_rms_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads take_label_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads put_label_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads take_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads scatter_add_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads max_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads prod_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads recurrence_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads recurrent_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads recurrent_grad_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads gather_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads gather_add_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads by_mode_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads track_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads add_loss_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads custom_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads after_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads update_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);
Grads host_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);

// Batching rules.
Tensor batched_elementwise(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_matmul(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_batch_matmul(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_conv(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_windows(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_linalg(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_sum(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_broadcast(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_reshape(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_transpose(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_slice(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_pad(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_flip(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_concat(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_row(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_take_label(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_put_label(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_take(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_scatter_add(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_gather(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_gather_add(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_fold(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_argsort(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_recurrence(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_recurrent(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_random(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_by_mode(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_track(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_stop_gradient(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_add_loss(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_custom(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_after(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_update(const Op& op, const BatchedInputs& x, Dim size);
Tensor batched_host(const Op& op, const BatchedInputs& x, Dim size);
// With the mapped axis in front: repeated along it where it has none.
Tensor mapped(const BatchedInput& x, Dim size);

// Where elements go.
using Moves = std::vector<Move>;
Moves broadcast_moves(const Op& op, const std::vector<Shape>& from, const Shape& to);
Moves transpose_moves(const Op& op, const std::vector<Shape>& from, const Shape& to);
Moves slice_moves(const Op& op, const std::vector<Shape>& from, const Shape& to);
Moves pad_moves(const Op& op, const std::vector<Shape>& from, const Shape& to);
Moves flip_moves(const Op& op, const std::vector<Shape>& from, const Shape& to);
Moves after_moves(const Op& op, const std::vector<Shape>& from, const Shape& to);
Moves concat_moves(const Op& op, const std::vector<Shape>& from, const Shape& to);

// Of ops whose functions do not check everything, or that have none of their own.
Tensor rebuilt_count(const Op& op);
Tensor rebuilt_elementwise(const Op& op);
Tensor rebuilt_inverse_rms(const Op& op);
Tensor rebuilt_fold(const Op& op);
Tensor rebuilt_recurrence(const Op& op);
Tensor rebuilt_recurrent(const Op& op);
Tensor rebuilt_gather(const Op& op);
Tensor rebuilt_random(const Op& op);

Tensor rebuilt_matmul(const Op& op);
Tensor rebuilt_conv(const Op& op);
Tensor rebuilt_windows(const Op& op);

double matmul_flops(const Tensor& y);
double batch_matmul_flops(const Tensor& y);
double conv_flops(const Tensor& y);
double recurrent_flops(const Tensor& y);
double window_flops(const Tensor& y);
double linalg_flops(const Tensor& y);

// Axes as ascending non-negative numbers; throws where one is out of range or named twice.
std::vector<Dim> normalize_axes(const char* who, const Tensor& x, std::vector<Dim> axes);
// What both broadcast to, as in NumPy; nothing where they do not.
std::optional<Shape> broadcast(const Shape& a, const Shape& b);
// Summed over the axes along which a tensor of `shape` is repeated to become as x is.
Tensor sum_to(const Tensor& x, const Shape& shape);
Shape batch_matmul_shape(const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b);
Dim step_of(const Op& op);  // of a slice, or of what is its derivative
// Axes of a reduction of real numbers: those given, or all.
std::vector<Dim> axes_or_all(const char* who, const Tensor& x, const Axes& axes);
Shape kept_shape(Shape shape, const std::vector<Dim>& axes);  // with the dimensions `axes` set to 1
// x less those axes, kept as ones or not, as `y` of the others stands.
Tensor kept_or_not(const Tensor& y, const Tensor& x, const std::vector<Dim>& over, bool keepdims);
// x with the axes `over` side by side, and where they begin.
std::pair<Tensor, std::vector<Dim>> gathered_axes(const Tensor& x, const std::vector<Dim>& over);
// y = x + a (the y before it) along an axis; from the end, if `reverse`. Without a: 1.
Tensor recurrence(const Tensor& x, const Tensor& a, Dim axis, bool reverse);
// Inputs of the shapes and types of these.
std::vector<Tensor> inputs_like(const std::vector<Tensor>& tensors);
// Every element of an input to the place of the same index.
Move straight_move(const Shape& from, const Shape& to);

}  // namespace backpass
