// Elements beyond the ends of axes.
#include <algorithm>

#include "base/error.h"
#include "graph/op.h"

namespace backpass {

const char* name(PadMode mode) {
  switch (mode) {
    case PadMode::constant:
      return "constant";
    case PadMode::edge:
      return "edge";
    case PadMode::reflect:
      return "reflect";
    case PadMode::wrap:
      return "wrap";
  }
  return "";
}

namespace {

// Which of n elements stands at a position, which may be beyond them.
Dim source_of(Dim position, Dim n, PadMode mode) {
  const auto modulo = [](Dim a, Dim b) { return (a % b + b) % b; };
  if (mode == PadMode::edge) return std::clamp<Dim>(position, 0, n - 1);
  if (mode == PadMode::wrap) return modulo(position, n);
  const Dim period = std::max<Dim>(1, 2 * (n - 1)), at = modulo(position, period);
  return at < n ? at : period - at;
}

Tensor pad_by_index(const Tensor& x, Dim axis, PadWidth width, PadMode mode) {
  const Dim n = x.shape()[static_cast<std::size_t>(axis)], count = n + width.before + width.after;
  if (n == 0) fail("pad", "mode ", name(mode), " takes no axis without elements, got ", to_string(x.shape()));
  std::vector<double> indices;
  for (Dim i = 0; i < count; ++i) indices.push_back(static_cast<double>(source_of(i - width.before, n, mode)));
  return take(x, constant(std::move(indices), {count}, DType::int32), axis);
}

Tensor pad_by_value(const Tensor& x, Dim axis, PadWidth width, double value) {
  Shape shape = x.shape();
  Dim& n = shape[static_cast<std::size_t>(axis)];
  if (value == 0) {
    const Dim end = width.before + n;
    n = end + width.after;
    return pad(x, axis, width.before, end, shape);
  }
  n = width.before;
  const Tensor before = full(shape, value, x.dtype());
  n = width.after;
  return concat({before, x, full(shape, value, x.dtype())}, axis);
}

}  // namespace

Tensor pad(const Tensor& x, const std::vector<PadWidth>& widths, PadMode mode, double value) {
  if (!x) fail("pad", "got an empty tensor");
  if (widths.size() > x.shape().size())
    fail("pad", "got widths of ", widths.size(), " axes for shape ", to_string(x.shape()));
  Tensor y = x;
  for (std::size_t i = 0; i < widths.size(); ++i) {
    const std::size_t at = x.shape().size() - widths.size() + i;
    const PadWidth width = widths[i];
    if (width.before < 0 || width.after < 0)
      fail("pad", "widths must not be negative, got ", width.before, " and ", width.after);
    if (width.before == 0 && width.after == 0) continue;
    if (x.shape()[at] == kBatch) fail("pad", "the batch dimension cannot be cut or joined");
    const Dim axis = static_cast<Dim>(at);
    y = mode == PadMode::constant ? pad_by_value(y, axis, width, value) : pad_by_index(y, axis, width, mode);
  }
  return y;
}

}  // namespace backpass
