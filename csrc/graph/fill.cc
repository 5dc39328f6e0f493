// Constants by rule, and the parts of matrices beside a diagonal.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "graph/rules.h"

namespace backpass {
namespace {

constexpr double kMostElements = 1 << 28;  // of a constant, which is kept in double

std::size_t count_of(const char* who, double count) {
  if (!(count <= kMostElements)) fail(who, "makes at most ", kMostElements, " elements, got ", count);
  return static_cast<std::size_t>(std::max(count, 0.0));
}

// Of a matrix (rows, cols): how many elements the diagonal has.
Dim diagonal_length(Dim rows, Dim cols, Dim offset) {
  return std::max<Dim>(
      0, offset >= 0 ? std::min(rows, cols - std::min(offset, cols)) : std::min(rows + std::max(offset, -rows), cols));
}

// Where it begins in the matrix as one row.
Dim diagonal_begin(Dim cols, Dim offset) { return offset >= 0 ? offset : -offset * cols; }

// 0, 1, 2, ... below n, which may be the batch. Counted in the real type: float32 counts to 2^24.
Tensor numbers(Dim n, DType dtype) {
  if (n != kBatch) return arange(0, static_cast<double>(n), 1, dtype);
  return cumsum(constant(1, {kBatch}, dtype), 0) - 1.0;
}

// (rows, cols): how far each element is above the main diagonal; for a batch, whose masks are made when it runs.
Tensor above_diagonal(Dim rows, Dim cols, DType dtype) {
  return reshape(numbers(cols, dtype), {1, cols}) - reshape(numbers(rows, dtype), {rows, 1});
}

Tensor triangle(const char* who, const Tensor& x, bool (*keeps)(Dim row, Dim col, Dim offset), Dim offset) {
  if (!x || x.shape().size() < 2) fail(who, "needs two axes at least");
  const Dim rows = x.shape()[x.shape().size() - 2], cols = x.shape().back();
  if (rows == kBatch || cols == kBatch) {
    const Tensor above = above_diagonal(rows, cols, x.dtype()),
                 by = constant(static_cast<double>(offset), {}, x.dtype());
    return where_positive(x,
                          broadcast_to(keeps(0, 1, 0) ? greater_equal(above, by) : less_equal(above, by), x.shape()));
  }
  std::vector<double> mask;
  for (Dim i = 0; i < rows; ++i)
    for (Dim j = 0; j < cols; ++j) mask.push_back(keeps(i, j, offset));
  return where_positive(x, broadcast_to(constant(std::move(mask), {rows, cols}, x.dtype()), x.shape()));
}

}  // namespace

Tensor full(Shape shape, double value, DType dtype) { return constant(value, std::move(shape), dtype); }
Tensor zeros(Shape shape, DType dtype) { return full(std::move(shape), 0, dtype); }
Tensor ones(Shape shape, DType dtype) { return full(std::move(shape), 1, dtype); }

Tensor full_like(const Tensor& x, double value) {
  if (!x) fail("full_like", "got an empty tensor");
  return full(x.shape(), value, x.dtype());
}
Tensor zeros_like(const Tensor& x) { return full_like(x, 0); }
Tensor ones_like(const Tensor& x) { return full_like(x, 1); }

Tensor arange(double begin, double end, double step, DType dtype) {
  if (step == 0 || !std::isfinite(begin) || !std::isfinite(end) || !std::isfinite(step))
    fail("arange", "needs finite numbers and a step that is not 0, got ", begin, ", ", end, ", ", step);
  std::vector<double> values(count_of("arange", std::ceil((end - begin) / step)));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = begin + static_cast<double>(i) * step;
  const Dim count = static_cast<Dim>(values.size());
  return constant(std::move(values), {count}, dtype);
}

// The last is the end itself, whatever rounding makes of the sum.
Tensor linspace(double begin, double end, Dim count, DType dtype) {
  if (count < 0) fail("linspace", "count must not be negative, got ", count);
  std::vector<double> values(count_of("linspace", static_cast<double>(count)));
  const double step = count > 1 ? (end - begin) / static_cast<double>(count - 1) : 0;
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = begin + static_cast<double>(i) * step;
  if (count > 1) values.back() = end;
  return constant(std::move(values), {count}, dtype);
}

Tensor eye(Dim rows, std::optional<Dim> cols, Dim offset, DType dtype) {
  const Dim width = cols.value_or(rows);
  if (rows == kBatch || width == kBatch)
    return equal(above_diagonal(rows, width, dtype), constant(static_cast<double>(offset), {}, dtype));
  if (rows < 0 || width < 0) fail("eye", "takes no negative dimensions, got ", rows, " and ", width);
  std::vector<double> values(count_of("eye", static_cast<double>(rows) * static_cast<double>(width)));
  for (Dim i = 0; i < diagonal_length(rows, width, offset); ++i)
    values[static_cast<std::size_t>(diagonal_begin(width, offset) + i * (width + 1))] = 1;
  return constant(std::move(values), {rows, width}, dtype);
}

Tensor tril(const Tensor& x, Dim offset) {
  return triangle(
      "tril", x, [](Dim row, Dim col, Dim above) { return col - row <= above; }, offset);
}

Tensor triu(const Tensor& x, Dim offset) {
  return triangle(
      "triu", x, [](Dim row, Dim col, Dim above) { return col - row >= above; }, offset);
}

// Both axes go to the end; as one row, the diagonal is a range with a step.
Tensor diagonal(const Tensor& x, Dim offset, Dim row_axis, Dim col_axis) {
  if (!x || x.shape().size() < 2) fail("diagonal", "needs two axes at least");
  const Dim rank = static_cast<Dim>(x.shape().size());
  const std::vector<Dim> both = normalize_axes("diagonal", x, {row_axis, col_axis});
  std::vector<Dim> order;
  for (Dim i = 0; i < rank; ++i)
    if (!std::ranges::binary_search(both, i)) order.push_back(i);
  for (const Dim axis : {row_axis, col_axis}) order.push_back(axis < 0 ? axis + rank : axis);
  const Tensor y = transpose(x, order);
  Shape shape = y.shape();
  const Dim cols = shape.back(), rows = shape[shape.size() - 2];
  if (rows == kBatch && cols == kBatch && offset == 0 && x.dtype() != DType::int32)
    return sum(where_positive(y, broadcast_to(eye(rows, cols, 0, x.dtype()), shape)), std::vector<Dim>{-1});
  if (rows == kBatch || cols == kBatch)
    fail("diagonal", "of a batch takes (batch, batch) of a real type and no offset, got ", to_string(x.shape()));
  const Dim length = diagonal_length(rows, cols, offset), begin = length > 0 ? diagonal_begin(cols, offset) : 0;
  shape.erase(shape.end() - 2, shape.end());
  shape.push_back(rows * cols);
  return slice(reshape(y, shape), -1, begin, length > 0 ? begin + (length - 1) * (cols + 1) + 1 : 0, cols + 1);
}

Tensor trace(const Tensor& x, Dim offset, Dim row_axis, Dim col_axis) {
  return sum(diagonal(x, offset, row_axis, col_axis), std::vector<Dim>{-1});
}

Tensor diag(const Tensor& x, Dim offset) {
  if (!x || x.shape().empty() || x.shape().size() > 2) fail("diag", "takes one or two axes");
  if (x.shape().size() == 2) return diagonal(x, offset);
  if (x.shape()[0] == kBatch) fail("diag", "takes no batch");
  const Dim length = x.shape()[0], n = length + std::abs(offset), begin = diagonal_begin(n, offset);
  if (length == 0) return zeros({n, n}, x.dtype());
  return reshape(pad(x, 0, begin, begin + (length - 1) * (n + 1) + 1, {n * n}, n + 1), {n, n});
}

}  // namespace backpass
