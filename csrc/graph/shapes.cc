// Operations on shapes that are made of a few moves.
#include <algorithm>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "graph/rules.h"

namespace backpass {
namespace {

// An axis of x, or one that is yet to be made.
std::size_t axis_within(const char* who, Dim axis, std::size_t rank, const Tensor& x) {
  const Dim n = static_cast<Dim>(rank);
  if (axis < -n || axis >= n) fail(who, "axis ", axis, " is out of range for shape ", to_string(x.shape()));
  return static_cast<std::size_t>(axis < 0 ? axis + n : axis);
}

std::size_t axis_of(const char* who, const Tensor& x, Dim axis) {
  if (!x) fail(who, "got an empty tensor");
  return axis_within(who, axis, x.shape().size(), x);
}

// Its elements, which must be known.
Dim known_size(const char* who, const Tensor& x, std::size_t axis) {
  if (x.shape()[axis] == kBatch) fail(who, "the batch dimension cannot be cut or joined");
  return x.shape()[axis];
}

std::vector<Dim> in_order(std::size_t rank) {
  std::vector<Dim> order(rank);
  std::iota(order.begin(), order.end(), 0);
  return order;
}

// x, each slice along `at` (of one element) as often.
Tensor spread(const Tensor& x, std::size_t at, Dim times) {
  Shape shape = x.shape();
  shape[at] = times;
  return broadcast_to(x, shape);
}

void check_repeats(const char* who, Dim repeats) {
  if (repeats < 0) fail(who, "repeats must not be negative, got ", repeats);
}

}  // namespace

Tensor transpose(const Tensor& x) {
  if (!x) fail("transpose", "got an empty tensor");
  std::vector<Dim> order = in_order(x.shape().size());
  std::reverse(order.begin(), order.end());
  return transpose(x, order);
}

Tensor swapaxes(const Tensor& x, Dim a, Dim b) {
  const std::size_t first = axis_of("swapaxes", x, a), second = axis_of("swapaxes", x, b);
  std::vector<Dim> order = in_order(x.shape().size());
  std::swap(order[first], order[second]);
  return transpose(x, order);
}

Tensor moveaxis(const Tensor& x, Dim from, Dim to) {
  const std::ptrdiff_t source = static_cast<std::ptrdiff_t>(axis_of("moveaxis", x, from));
  const std::ptrdiff_t target = static_cast<std::ptrdiff_t>(axis_of("moveaxis", x, to));
  std::vector<Dim> order = in_order(x.shape().size());
  order.erase(order.begin() + source);
  order.insert(order.begin() + target, source);
  return transpose(x, order);
}

Tensor flatten(const Tensor& x) {
  if (!x) fail("flatten", "got an empty tensor");
  const bool batched = !x.shape().empty() && x.shape()[0] == kBatch;
  const Dim row = element_count(batched ? Shape(x.shape().begin() + 1, x.shape().end()) : x.shape());
  return reshape(x, batched ? Shape{kBatch, row} : Shape{row});
}

Tensor ravel(const Tensor& x) {
  if (!x) fail("ravel", "got an empty tensor");
  const bool batched = std::ranges::find(x.shape(), kBatch) != x.shape().end();
  return reshape(x, {batched ? kBatch : element_count(x.shape())});
}

Tensor expand_dims(const Tensor& x, Dim axis) {
  if (!x) fail("expand_dims", "got an empty tensor");
  Shape shape = x.shape();
  shape.insert(shape.begin() + axis_within("expand_dims", axis, shape.size() + 1, x), 1);
  return reshape(x, shape);
}

Tensor squeeze(const Tensor& x, std::optional<std::vector<Dim>> axes) {
  if (!x) fail("squeeze", "got an empty tensor");
  const std::vector<Dim> gone = axes ? normalize_axes("squeeze", x, *axes) : in_order(x.shape().size());
  Shape shape;
  for (std::size_t i = 0; i < x.shape().size(); ++i) {
    const bool named = std::ranges::binary_search(gone, static_cast<Dim>(i));
    if (named && axes && x.shape()[i] != 1)
      fail("squeeze", "axis ", i, " of ", to_string(x.shape()), " has not one element");
    if (!named || x.shape()[i] != 1) shape.push_back(x.shape()[i]);
  }
  return reshape(x, shape);
}

Tensor roll(const Tensor& x, Dim shift, Dim axis) {
  const std::size_t at = axis_of("roll", x, axis);
  const Dim n = known_size("roll", x, at), by = n > 0 ? (shift % n + n) % n : 0;
  if (by == 0) return x;
  const Tensor last = slice(x, static_cast<Dim>(at), n - by, n), first = slice(x, static_cast<Dim>(at), 0, n - by);
  return concat({last, first}, static_cast<Dim>(at));
}

Tensor roll(const Tensor& x, const std::vector<Dim>& shifts, const std::vector<Dim>& axes) {
  if (shifts.size() != axes.size())
    fail("roll", "needs a shift for each axis, got ", shifts.size(), " for ", axes.size());
  Tensor y = x;
  for (std::size_t i = 0; i < axes.size(); ++i) y = roll(y, shifts[i], axes[i]);
  return y;
}

Tensor stack(const std::vector<Tensor>& xs, Dim axis) {
  if (xs.empty()) fail("stack", "needs at least one tensor");
  std::vector<Tensor> parts;
  for (const Tensor& x : xs) {
    if (!x || !xs[0] || x.shape() != xs[0].shape() || x.dtype() != xs[0].dtype())
      fail("stack", "takes tensors of one shape and type");
    parts.push_back(expand_dims(x, axis));
  }
  return concat(parts, axis);
}

std::vector<Tensor> split(const Tensor& x, Dim parts, Dim axis) {
  const std::size_t at = axis_of("split", x, axis);
  const Dim n = known_size("split", x, at);
  if (parts < 1 || n % parts != 0)
    fail("split", "axis ", axis, " of ", to_string(x.shape()), " has no ", parts, " equal parts");
  std::vector<Dim> positions;
  for (Dim i = 1; i < parts; ++i) positions.push_back(i * (n / parts));
  return split(x, positions, axis);
}

// Positions beyond the end leave empty parts, as in NumPy.
std::vector<Tensor> split(const Tensor& x, const std::vector<Dim>& positions, Dim axis) {
  const std::size_t at = axis_of("split", x, axis);
  const Dim n = known_size("split", x, at);
  const auto within = [&](Dim position) { return std::clamp<Dim>(position < 0 ? position + n : position, 0, n); };
  std::vector<Tensor> parts;
  Dim begin = 0;
  for (std::size_t i = 0; i <= positions.size(); ++i) {
    const Dim end = i < positions.size() ? within(positions[i]) : n;
    parts.push_back(slice(x, static_cast<Dim>(at), begin, std::max(begin, end)));
    begin = end;
  }
  return parts;
}

std::vector<Tensor> unstack(const Tensor& x, Dim axis) {
  const std::size_t at = axis_of("unstack", x, axis);
  const Dim n = known_size("unstack", x, at);
  std::vector<Tensor> parts;
  for (Dim i = 0; i < n; ++i)
    parts.push_back(squeeze(slice(x, static_cast<Dim>(at), i, i + 1), std::vector<Dim>{static_cast<Dim>(at)}));
  return parts;
}

Tensor tile(const Tensor& x, std::vector<Dim> repeats) {
  if (!x) fail("tile", "got an empty tensor");
  Shape longer = x.shape();
  while (longer.size() < repeats.size()) longer.insert(longer.begin(), 1);
  Tensor y = reshape(x, longer);
  const std::size_t skip = longer.size() - repeats.size();
  for (std::size_t i = 0; i < repeats.size(); ++i) {
    check_repeats("tile", repeats[i]);
    if (repeats[i] == 1) continue;
    Shape shape = y.shape();
    shape[skip + i] = known_size("tile", y, skip + i) * repeats[i];
    y = reshape(spread(expand_dims(y, static_cast<Dim>(skip + i)), skip + i, repeats[i]), shape);
  }
  return y;
}

Tensor repeat(const Tensor& x, Dim repeats, Dim axis) {
  const std::size_t at = axis_of("repeat", x, axis);
  check_repeats("repeat", repeats);
  Shape shape = x.shape();
  shape[at] = known_size("repeat", x, at) * repeats;
  return reshape(spread(expand_dims(x, static_cast<Dim>(at + 1)), at + 1, repeats), shape);
}

Tensor repeat(const Tensor& x, const std::vector<Dim>& repeats, Dim axis) {
  const std::size_t at = axis_of("repeat", x, axis);
  if (static_cast<Dim>(repeats.size()) != known_size("repeat", x, at))
    fail("repeat", "needs a number of repeats for each element of axis ", axis, " of ", to_string(x.shape()), ", got ",
         repeats.size());
  std::vector<double> indices;
  for (std::size_t i = 0; i < repeats.size(); ++i) {
    check_repeats("repeat", repeats[i]);
    indices.insert(indices.end(), static_cast<std::size_t>(repeats[i]), static_cast<double>(i));
  }
  const Dim count = static_cast<Dim>(indices.size());
  return take(x, constant(std::move(indices), {count}, DType::int32), static_cast<Dim>(at));
}

}  // namespace backpass
