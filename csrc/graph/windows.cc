// Pooling: sums over windows, and the greatest of them; each closed under differentiation with its derivative.
#include "graph/windows.h"

#include <algorithm>

#include "backpass/pooling.h"
#include "base/error.h"
#include "graph/rules.h"

namespace backpass {
namespace {

constexpr Dim kMostInWindow = Dim{1} << 30;  // of a window, a step...: keeps places within int64
constexpr std::size_t kPoolAttributes = 8;

void check_pooled(const char* who, const Tensor& x) {
  if (!x) fail(who, "got an empty tensor");
  if (x.dtype() == DType::int32) fail(who, "takes a real tensor, got int32");
  const Shape& shape = x.shape();
  if (shape.size() != 4) fail(who, "takes images (n, height, width, channels), got ", to_string(shape));
  if (std::find(shape.begin() + 1, shape.end(), kBatch) != shape.end())
    fail(who, "the batch can only be the first dimension of images, got ", to_string(shape));
  if (shape[1] < 1 || shape[2] < 1) fail(who, "takes images of one pixel at least, got ", to_string(shape));
}

bool is_in_images(OpKind kind) { return kind == OpKind::window_sum || kind == OpKind::window_take; }

std::vector<Dim> attributes_of_axes(const PoolAxis& h, const PoolAxis& w) {
  return {h.size, h.stride, h.before, h.dilation, w.size, w.stride, w.before, w.dilation};
}

Shape with_size(const Shape& images, Dim height, Dim width) { return {images[0], height, width, images[3]}; }

Tensor make_windows(OpKind kind, std::vector<Tensor> inputs, Shape shape, const std::vector<Dim>& dims) {
  const DType dtype = inputs[0].dtype();
  return make_tensor(
      {.kind = kind, .inputs = std::move(inputs), .shape = std::move(shape), .dtype = dtype, .dims = dims});
}

// Another of the four over the same windows.
Tensor over_same(OpKind kind, const Op& op, std::vector<Tensor> inputs, const Shape& shape) {
  return make_windows(kind, std::move(inputs), shape, op.dims);
}

Tensor pooled_sum(const Tensor& x, const PoolAxis& h, const PoolAxis& w) {
  return make_windows(OpKind::window_sum, {x}, with_size(x.shape(), h.out, w.out), attributes_of_axes(h, w));
}

Tensor pooled_max(const Tensor& x, const PoolAxis& h, const PoolAxis& w) {
  return make_windows(OpKind::window_take, {x, x}, with_size(x.shape(), h.out, w.out), attributes_of_axes(h, w));
}

PoolAxis axis_of(const char* who, Dim size, Dim window, const WindowAxis& axis, bool ceil_mode) {
  if (window < 1) fail(who, "windows have one element at least, got ", window);
  if (2 * std::max(axis.before, axis.after) > window)
    fail(who, "padding is at most half the window, ", window / 2, ", got ", std::max(axis.before, axis.after));
  return {window, axis.stride, axis.before, axis.dilation, size, pooled_size(size, window, axis, ceil_mode, who)};
}

PoolAxis adaptive_axis(const char* who, Dim size, Dim count) {
  if (count < 1 || count >= kMostInWindow) fail(who, "the size of the output must be positive, got ", count);
  return {0, 1, 0, 1, size, count};
}

// By how many elements each sum is divided, beside one another.
std::vector<double> divisors(const PoolAxis& axis, Dim after, bool with_padding) {
  std::vector<double> result;
  for (Dim i = 0; i < axis.out; ++i) {
    Dim count = 0;
    const Dim begin = i * axis.stride - axis.before;
    if (with_padding && axis.size > 0)
      count = std::min(begin + axis.size, axis.in + after) - begin;
    else
      for (Dim k = 0; k < axis.most(); ++k) count += axis.at(i, k) >= 0;
    result.push_back(static_cast<double>(count));
  }
  return result;
}

Tensor mean_of(const Tensor& sums, const std::vector<double>& down, const std::vector<double>& across) {
  const auto all_same = [](const std::vector<double>& v) {
    return std::ranges::adjacent_find(v, std::not_equal_to()) == v.end();
  };
  if (all_same(down) && all_same(across)) return sums / (down[0] * across[0]);
  std::vector<double> counts;
  for (const double h : down)
    for (const double w : across) counts.push_back(h * w);
  const Shape shape = {static_cast<Dim>(down.size()), static_cast<Dim>(across.size()), 1};
  return sums / constant(counts, shape, sums.dtype());
}

}  // namespace

Dim PoolAxis::most() const {
  if (size > 0) return size;
  Dim most = 0;
  for (Dim i = 0; i < out; ++i) most = std::max(most, ((i + 1) * in + out - 1) / out - i * in / out);
  return most;
}

Dim PoolAxis::at(Dim i, Dim k) const {
  const Dim begin = size > 0 ? i * stride - before : i * in / out;
  const bool is_its = size > 0 ? k < size : begin + k < ((i + 1) * in + out - 1) / out;
  const Dim place = begin + k * dilation;
  return is_its && place >= 0 && place < in ? place : -1;
}

PoolAxes pool_axes(const Op& op, const Shape& images, const Shape& windows) {
  const std::vector<Dim>& d = op.dims;
  return {{d[0], d[1], d[2], d[3], images[1], windows[1]}, {d[4], d[5], d[6], d[7], images[2], windows[2]}};
}

Dim pooled_size(Dim size, Dim window, const WindowAxis& axis, bool ceil_mode, const char* who) {
  const Dim least = windows_over(size, window, axis, who);
  if (!ceil_mode) return least;
  const Dim all = size + axis.before + axis.after, reach = axis.dilation * (window - 1) + 1;
  const Dim most = (all - reach + axis.stride - 1) / axis.stride + 1;
  // The last begins within the image or the padding before it.
  return (most - 1) * axis.stride >= size + axis.before ? most - 1 : most;
}

Tensor max_pool2d(const Tensor& x, const Pooling& p) {
  check_pooled("max_pool2d", x);
  return pooled_max(x, axis_of("max_pool2d", x.shape()[1], p.height, p.down, p.ceil_mode),
                    axis_of("max_pool2d", x.shape()[2], p.width, p.across, p.ceil_mode));
}

Tensor avg_pool2d(const Tensor& x, const Pooling& p, bool count_include_pad) {
  check_pooled("avg_pool2d", x);
  if (p.down.dilation != 1 || p.across.dilation != 1) fail("avg_pool2d", "windows are not dilated");
  const PoolAxis down = axis_of("avg_pool2d", x.shape()[1], p.height, p.down, p.ceil_mode);
  const PoolAxis across = axis_of("avg_pool2d", x.shape()[2], p.width, p.across, p.ceil_mode);
  return mean_of(pooled_sum(x, down, across), divisors(down, p.down.after, count_include_pad),
                 divisors(across, p.across.after, count_include_pad));
}

Tensor adaptive_max_pool2d(const Tensor& x, Dim height, Dim width) {
  check_pooled("adaptive_max_pool2d", x);
  return pooled_max(x, adaptive_axis("adaptive_max_pool2d", x.shape()[1], height),
                    adaptive_axis("adaptive_max_pool2d", x.shape()[2], width));
}

Tensor adaptive_avg_pool2d(const Tensor& x, Dim height, Dim width) {
  check_pooled("adaptive_avg_pool2d", x);
  if (height == 1 && width == 1) return mean(x, std::vector<Dim>{1, 2}, true);
  const PoolAxis down = adaptive_axis("adaptive_avg_pool2d", x.shape()[1], height);
  const PoolAxis across = adaptive_axis("adaptive_avg_pool2d", x.shape()[2], width);
  return mean_of(pooled_sum(x, down, across), divisors(down, 0, false), divisors(across, 0, false));
}

// What a file says may come from anybody: windows stay near the image, and both have the same images and channels.
Tensor rebuilt_windows(const Op& op) {
  const char* who = name(op.kind);
  if (op.dims.size() != kPoolAttributes) fail(who, "has ", kPoolAttributes, " attributes, got ", op.dims.size());
  for (const Tensor& input : op.inputs) check_pooled(who, input);
  const Shape& from = op.inputs[0].shape();
  if (op.shape.size() != 4 || op.shape[0] != from[0] || op.shape[3] != from[3])
    fail(who, "gives as many images and channels as it takes, got ", to_string(op.shape));
  const bool to_windows = is_in_images(op.kind);
  const Shape &images = to_windows ? from : op.shape, &windows = to_windows ? op.shape : from;
  if (op.inputs.size() > 1 && (op.inputs[1].shape() != images || op.inputs[1].dtype() != op.inputs[0].dtype()))
    fail(who, "takes images of shape ", to_string(images), " beside, got ", to_string(op.inputs[1].shape()));
  const PoolAxes axes = pool_axes(op, images, windows);
  for (const PoolAxis* axis : {&axes.height, &axes.width}) {
    const bool fits = axis->size >= 0 && axis->stride >= 1 && axis->before >= 0 && axis->dilation >= 1 &&
                      std::max({axis->in, axis->out, axis->size, axis->stride, axis->dilation}) < kMostInWindow &&
                      2 * axis->before <= axis->size && axis->in >= 1 && axis->out >= 1 &&
                      axis->size <= 2 * axis->in + 2;
    if (!fits) fail(who, "its windows do not fit ", to_string(images));
  }
  return over_same(op.kind, op, op.inputs, op.shape);
}

Grads window_sum_derivative(const Tensor& y, const Tensor& g, const Wanted&) {
  return {over_same(OpKind::window_spread, y.op(), {g}, y.op().inputs[0].shape())};
}

Grads window_spread_derivative(const Tensor& x, const Tensor& h, const Wanted&) {
  return {over_same(OpKind::window_sum, x.op(), {h}, x.op().inputs[0].shape())};
}

Grads window_take_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted) {
  const Tensor& chosen = y.op().inputs[1];
  Grads grads(2);
  if (wanted[0]) grads[0] = over_same(OpKind::window_put, y.op(), {g, chosen}, chosen.shape());
  return grads;
}

Grads window_put_derivative(const Tensor& x, const Tensor& h, const Wanted& wanted) {
  const Op& op = x.op();
  Grads grads(2);
  if (wanted[0]) grads[0] = over_same(OpKind::window_take, op, {h, op.inputs[1]}, op.inputs[0].shape());
  return grads;
}

// More images.
Tensor batched_windows(const Op& op, const BatchedInputs& in, Dim size) {
  const auto as_images = [&](const Tensor& x) {
    const Shape& s = x.shape();
    return reshape(x, {s[0] * s[1], s[2], s[3], s[4]});
  };
  std::vector<Tensor> inputs;
  for (const BatchedInput& x : in) inputs.push_back(as_images(mapped(x, size)));
  Shape shape = op.shape, all = op.shape;
  shape[0] = inputs[0].shape()[0];
  all.insert(all.begin(), size);
  return reshape(over_same(op.kind, op, inputs, shape), all);
}

double window_flops(const Tensor& y) {
  const Op& op = y.op();
  const bool to_windows = is_in_images(op.kind);
  const Shape &images = to_windows ? op.inputs[0].shape() : op.shape,
              &windows = to_windows ? op.shape : op.inputs[0].shape();
  const PoolAxes axes = pool_axes(op, images, windows);
  return static_cast<double>(axes.height.most() * axes.width.most()) * elements_per_row(to_windows ? y : op.inputs[0]);
}

}  // namespace backpass
