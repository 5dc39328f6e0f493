// Convolution, and the two others that it is closed under differentiation with. The sum of g * conv(x, w) is linear in
// x, in w and in g; each op is its derivative by one of them.
#include "graph/conv.h"

#include <algorithm>

#include "base/error.h"

namespace backpass {
namespace {

constexpr Dim kMostSteps = Dim{1} << 31;   // keeps sums and products of two of them within int64
constexpr Dim kMostPadded = Dim{1} << 28;  // elements along an axis, with zeros around
constexpr std::size_t kAttributes = 8;

void check_axis(const WindowAxis& axis, const char* who = "conv2d") {
  const auto check = [who](const char* what, Dim value, Dim least) {
    if (value < least || value >= kMostSteps)
      fail(who, what, " must be within ", least, " and ", kMostSteps - 1, ", got ", value);
  };
  check("stride", axis.stride, 1);
  check("dilation", axis.dilation, 1);
  check("padding", axis.before, 0);
  check("padding", axis.after, 0);
}

void check_images(const Tensor& a, const Tensor& b) {
  if (!a || !b) fail("conv2d", "got an empty tensor");
  if (a.dtype() == DType::int32 || a.dtype() != b.dtype())
    fail("conv2d", "takes two tensors of one real type, got ", name(a.dtype()), " and ", name(b.dtype()));
  for (const Tensor* t : {&a, &b})
    if (t->shape().size() != 4)
      fail("conv2d",
           "takes images (n, height, width, channels) and filters (out, height, width, channels / groups), got ",
           to_string(a.shape()), " and ", to_string(b.shape()));
  for (const Tensor* t : {&a, &b})
    if (std::find(t->shape().begin() + 1, t->shape().end(), kBatch) != t->shape().end())
      fail("conv2d", "the batch can only be the first dimension of images, got ", to_string(t->shape()));
}

void check_groups(Dim channels, Dim out, Dim groups) {
  if (groups < 1 || channels % groups != 0 || out % groups != 0)
    fail("conv2d", "groups must divide the channels on both sides, ", channels, " and ", out, ", got ", groups);
}

std::vector<Dim> attributes(const Convolution& s) {
  const WindowAxis &h = s.height, &w = s.width;
  return {h.stride, h.dilation, h.before, h.after, w.stride, w.dilation, w.before, w.after};
}

// Which follow from the shapes: channels of images over those of filters.
Dim groups_of(const Op& op) {
  const auto channels = [](const Shape& shape) { return shape.size() == 4 ? shape[3] : 0; };
  const Dim all = channels(op.kind == OpKind::conv_transpose ? op.shape : op.inputs[0].shape());
  const Dim own = channels(op.kind == OpKind::conv_weight ? op.shape : op.inputs[1].shape());
  return own > 0 ? all / own : 1;
}

// x (n, height, width, channels) and filters of this shape: checks and gives the shape of their convolution.
Shape shape_of_windows(const Shape& x, const Shape& weight, const Convolution& s) {
  check_groups(x[3], weight[0], s.groups);
  if (x[3] < 1) fail("conv2d", "images have one channel at least, got ", to_string(x));
  if (weight[3] != x[3] / s.groups)
    fail("conv2d", "filters must have ", x[3] / s.groups, " channels, which is ", x[3], " / ", s.groups,
         " groups, got ", to_string(weight));
  return {x[0], windows_over(x[1], weight[1], s.height), windows_over(x[2], weight[2], s.width), weight[0]};
}

Tensor make(OpKind kind, const Tensor& a, const Tensor& b, Shape shape, const Convolution& s, Precision precision) {
  return make_tensor({.kind = kind,
                      .inputs = {a, b},
                      .shape = std::move(shape),
                      .dtype = a.dtype(),
                      .dims = attributes(s),
                      .precision = precision});
}

Tensor conv(const Tensor& x, const Tensor& weight, const Convolution& s, Precision precision) {
  check_images(x, weight);
  if (weight.shape()[0] == kBatch) fail("conv2d", "filters must have a known number, got ", to_string(weight.shape()));
  return make(OpKind::conv, x, weight, shape_of_windows(x.shape(), weight.shape(), s), s, precision);
}

void check_gradient(const char* who, const Tensor& y, const Shape& wanted) {
  if (y.shape() != wanted) fail(who, "takes ", to_string(wanted), " for these settings, got ", to_string(y.shape()));
}

// The gradient to x, of `height` and `width`.
Tensor conv_transpose(const Tensor& y, const Tensor& weight, Dim height, Dim width, const Convolution& s,
                      Precision precision) {
  check_images(y, weight);
  const Shape shape = {y.shape()[0], height, width, weight.shape()[3] * std::max<Dim>(1, s.groups)};
  check_gradient("conv2d_transpose", y, shape_of_windows(shape, weight.shape(), s));
  return make(OpKind::conv_transpose, y, weight, shape, s, precision);
}

// The gradient to the weight, of `height` and `width`.
Tensor conv_weight(const Tensor& x, const Tensor& y, Dim height, Dim width, const Convolution& s, Precision precision) {
  check_images(x, y);
  check_groups(x.shape()[3], y.shape()[3], s.groups);
  const Shape shape = {y.shape()[3], height, width, x.shape()[3] / s.groups};
  check_gradient("conv2d", y, shape_of_windows(x.shape(), shape, s));
  return make(OpKind::conv_weight, x, y, shape, s, precision);
}

// (v, n, h, w, c) as (v n, h, w, c).
Tensor as_rows(const Tensor& x) {
  const Shape& s = x.shape();
  return reshape(x, {s[0] * s[1], s[2], s[3], s[4]});
}

// (v, n, h, w, c) as (n, h, w, v c): the elements of a map are groups.
Tensor as_channels(const Tensor& x) {
  const Shape& s = x.shape();
  return reshape(transpose(x, {1, 2, 3, 0, 4}), {s[1], s[2], s[3], s[0] * s[4]});
}

Tensor from_channels(const Tensor& y, Dim size) {
  const Shape& s = y.shape();
  return transpose(reshape(y, {s[0], s[1], s[2], size, s[3] / size}), {3, 0, 1, 2, 4});
}

Tensor reshaped_in_front(Dim size, const Tensor& y, const Shape& shape) {
  Shape all = shape;
  all.insert(all.begin(), size);
  return reshape(y, all);
}

}  // namespace

Dim windows_over(Dim size, Dim kernel, const WindowAxis& axis, const char* who) {
  check_axis(axis, who);
  if (kernel < 1 || kernel >= kMostSteps) fail(who, "a kernel has at least one element, got ", kernel);
  const Dim all = size + axis.before + axis.after, reach = axis.dilation * (kernel - 1) + 1;
  if (all >= kMostPadded) fail(who, "an axis has at most ", kMostPadded - 1, " elements with padding, got ", all);
  if (all < reach)
    fail(who, "a kernel of ", kernel, " elements reaches over ", reach, ", beyond the ", all,
         " that there are with padding");
  return (all - reach) / axis.stride + 1;
}

WindowAxis same_windows(Dim size, Dim kernel, WindowAxis axis) {
  axis.before = axis.after = 0;
  check_axis(axis);
  const Dim windows = (size + axis.stride - 1) / axis.stride, reach = axis.dilation * (kernel - 1) + 1;
  const Dim all = std::max<Dim>(0, (windows - 1) * axis.stride + reach - size);
  axis.before = all / 2;
  axis.after = all - axis.before;
  return axis;
}

WindowAxis causal_windows(Dim kernel, WindowAxis axis) {
  axis.after = 0;
  axis.before = axis.dilation * std::max<Dim>(0, kernel - 1);
  return axis;
}

Convolution convolution(const Op& op) {
  const std::vector<Dim>& d = op.dims;
  if (d.size() != kAttributes) fail("conv2d", "has ", kAttributes, " attributes, got ", d.size());
  return {{d[0], d[1], d[2], d[3]}, {d[4], d[5], d[6], d[7]}, groups_of(op)};
}

Tensor conv2d(const Tensor& x, const Tensor& weight, const Convolution& settings) {
  if (x && weight && x.dtype() != weight.dtype()) {
    const auto [one, other] = in_one_type("conv2d", x, weight);
    return conv2d(one, other, settings);
  }
  const Tensor y = conv(x, weight, settings, Precision::highest);
  const Shape& filters = weight.shape();
  // Of single pixels it is what a dense layer does.
  if (filters[1] != 1 || filters[2] != 1 || settings != Convolution{}) return y;
  return rows_times_matrix(x, reshape(weight, {filters[0], filters[3]}), true, Precision::highest);
}

Tensor conv2d_transpose(const Tensor& y, const Tensor& weight, const Convolution& s, ExtraSize extra) {
  check_images(y, weight);
  check_axis(s.height);
  check_axis(s.width);
  const auto size = [&](std::size_t at, const WindowAxis& axis, Dim more) {
    if (more < 0 || more >= axis.stride)
      fail("conv2d_transpose", "the extra size must be within 0 and the stride less 1, ", axis.stride - 1, ", got ",
           more);
    const Dim rows = y.shape()[at], kernel = weight.shape()[at];
    if (rows < 1 || kernel < 1) fail("conv2d_transpose", "takes rows and columns, got ", to_string(y.shape()));
    return (rows - 1) * axis.stride + axis.dilation * (kernel - 1) + 1 - axis.before - axis.after + more;
  };
  const Dim height = size(1, s.height, extra.height), width = size(2, s.width, extra.width);
  if (height < 0 || width < 0)
    fail("conv2d_transpose", "the padding takes away more than there is: (", height, ", ", width, ") would be left");
  return conv_transpose(y, weight, height, width, s, Precision::highest);
}

Tensor rebuilt_conv(const Op& op) {
  const Tensor &a = op.inputs[0], &b = op.inputs[1];
  const Convolution s = convolution(op);
  if (op.kind == OpKind::conv) return conv(a, b, s, op.precision);
  if (op.shape.size() != 4) fail("conv2d", "gives four dimensions, got ", to_string(op.shape));
  const auto function = op.kind == OpKind::conv_transpose ? conv_transpose : conv_weight;
  return function(a, b, op.shape[1], op.shape[2], s, op.precision);
}

double conv_flops(const Tensor& y) {
  const Op& op = y.op();
  const Tensor& outer = op.kind == OpKind::conv ? y : op.inputs[op.kind == OpKind::conv_transpose ? 0 : 1];
  const Shape& weight = op.kind == OpKind::conv_weight ? op.shape : op.inputs[1].shape();
  return 2 * elements_per_row(outer) * static_cast<double>(weight[1] * weight[2] * weight[3]);
}

Grads conv_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted) {
  const Op& op = y.op();
  const Tensor &x = op.inputs[0], &weight = op.inputs[1];
  const Convolution s = convolution(op);
  Grads grads(2);
  if (wanted[0]) grads[0] = conv_transpose(g, weight, x.shape()[1], x.shape()[2], s, op.precision);
  if (wanted[1]) grads[1] = conv_weight(x, g, weight.shape()[1], weight.shape()[2], s, op.precision);
  return grads;
}

Grads conv_transpose_derivative(const Tensor& x, const Tensor& h, const Wanted& wanted) {
  const Op& op = x.op();
  const Tensor &y = op.inputs[0], &weight = op.inputs[1];
  const Convolution s = convolution(op);
  Grads grads(2);
  if (wanted[0]) grads[0] = conv(h, weight, s, op.precision);
  if (wanted[1]) grads[1] = conv_weight(h, y, weight.shape()[1], weight.shape()[2], s, op.precision);
  return grads;
}

Grads conv_weight_derivative(const Tensor& weight, const Tensor& v, const Wanted& wanted) {
  const Op& op = weight.op();
  const Tensor &x = op.inputs[0], &y = op.inputs[1];
  const Convolution s = convolution(op);
  Grads grads(2);
  if (wanted[0]) grads[0] = conv_transpose(y, v, x.shape()[1], x.shape()[2], s, op.precision);
  if (wanted[1]) grads[1] = conv(x, v, s, op.precision);
  return grads;
}

// One set of filters for all: more images. Else the elements of the map are groups.
Tensor batched_conv(const Op& op, const BatchedInputs& in, Dim size) {
  Op made = op;
  const bool weight_alone = op.kind != OpKind::conv_weight && !in[1].mapped;
  if (weight_alone) {
    made.inputs = {as_rows(in[0].tensor), in[1].tensor};
    made.shape[0] = made.inputs[0].shape()[0];
    return reshaped_in_front(size, rebuilt_conv(made), op.shape);
  }
  const bool sums = op.kind == OpKind::conv_weight;
  const Tensor other = mapped(in[1], size);
  made.inputs = {as_channels(mapped(in[0], size)), sums ? as_channels(other) : as_rows(other)};
  if (op.kind == OpKind::conv_transpose) made.shape[3] *= size;
  const Tensor y = rebuilt_conv(made);
  return sums ? reshaped_in_front(size, y, op.shape) : from_channels(y, size);
}

}  // namespace backpass
