// Operations that move elements: shapes, indexing, lookups, sorting. They take int32 tensors too, but for sorting.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "backpass/tensor.h"

namespace backpass {

// Negative axes count from the end. What would cut, join or reorder an unknown batch is an error.
Tensor broadcast_to(const Tensor& x, Shape shape);
Tensor reshape(const Tensor& x, Shape shape);              // keeps kBatch as first dimension if x has it
Tensor transpose(const Tensor& x, std::vector<Dim> axes);  // output axis i is input axis axes[i]
Tensor transpose(const Tensor& x);                         // all axes in the opposite order
Tensor swapaxes(const Tensor& x, Dim a, Dim b);
Tensor moveaxis(const Tensor& x, Dim from, Dim to);
Tensor flatten(const Tensor& x);  // (batch, all the rest) where x has a batch; one axis otherwise
Tensor ravel(const Tensor& x);    // one axis
Tensor expand_dims(const Tensor& x, Dim axis);
Tensor squeeze(const Tensor& x, std::optional<std::vector<Dim>> axes = {});  // without axes: all of one element

Tensor slice(const Tensor& x, Dim axis, Dim begin, Dim end, Dim step = 1);
Tensor flip(const Tensor& x, std::optional<std::vector<Dim>> axes = {});
Tensor roll(const Tensor& x, Dim shift, Dim axis);  // element i goes to (i + shift) mod n
// Along several axes; an axis that is named twice is rolled by both shifts.
Tensor roll(const Tensor& x, const std::vector<Dim>& shifts, const std::vector<Dim>& axes);
Tensor concat(const std::vector<Tensor>& xs, Dim axis);
Tensor stack(const std::vector<Tensor>& xs, Dim axis = 0);  // along a new axis
// Into equal parts, or before these positions.
std::vector<Tensor> split(const Tensor& x, Dim parts, Dim axis = 0);
std::vector<Tensor> split(const Tensor& x, const std::vector<Dim>& positions, Dim axis = 0);
std::vector<Tensor> unstack(const Tensor& x, Dim axis = 0);  // one for each element of the axis, which goes
Tensor tile(const Tensor& x, std::vector<Dim> repeats);      // the whole, as often along each of the last axes
Tensor repeat(const Tensor& x, Dim repeats, Dim axis);       // each element, as often
Tensor repeat(const Tensor& x, const std::vector<Dim>& repeats, Dim axis);

// How elements beyond the ends follow from those within: a constant; the nearest; mirrored at the last; from the
// opposite end.
enum class PadMode : unsigned char { constant, edge, reflect, wrap };
const char* name(PadMode mode);
// So many more elements before and after each of the last axes.
struct PadWidth {
  Dim before = 0, after = 0;
};
Tensor pad(const Tensor& x, const std::vector<PadWidth>& widths, PadMode mode = PadMode::constant, double value = 0);

// Of the last two axes: elements on and below (above) the diagonal that lies `offset` above the main one; 0 elsewhere.
Tensor tril(const Tensor& x, Dim offset = 0);
Tensor triu(const Tensor& x, Dim offset = 0);
Tensor diagonal(const Tensor& x, Dim offset = 0, Dim row_axis = 0, Dim col_axis = 1);  // (..., n)
Tensor trace(const Tensor& x, Dim offset = 0, Dim row_axis = 0, Dim col_axis = 1);     // its sum
Tensor diag(const Tensor& x, Dim offset = 0);  // of a matrix: its diagonal; of (n): the matrix with it

// One index of x[...], as in NumPy.
struct NewAxis {};
struct Ellipsis {};
struct IndexRange {  // as in Python: negative bounds count from the end, those beyond are the end
  std::optional<Dim> begin = {}, end = {};
  Dim step = 1;
};
using Index = std::variant<Dim, IndexRange, Ellipsis, NewAxis>;
// Throws std::out_of_range where an index is beyond an axis, or there are too many.
Tensor index(const Tensor& x, const std::vector<Index>& indices);

// x[..., indices, ...] along an axis of n elements, by int32 indices; along axis 0, rows of a table. Here and below,
// negative indices count from the end, and others that are out of range end the run with std::invalid_argument.
// Gradients of what is taken several times are added in the order of indices. Where there is an index to `ignore`, it
// gives zeros and gets no gradient, and other negative ones are out of range.
Tensor take(const Tensor& x, const Tensor& indices, Dim axis = 0, std::optional<Dim> ignore = {});
// y[i, j, k] = x[i, indices[i, j, k], k], for the axis in the middle; other dimensions broadcast, as in NumPy.
Tensor take_along_axis(const Tensor& x, const Tensor& indices, Dim axis);
// The same as in PyTorch: indices may be shorter than x along other axes.
Tensor gather(const Tensor& x, Dim axis, const Tensor& indices);
// x[..., i, j, ...]: several indices of one shape along neighbouring axes from `axis` on.
Tensor index_axes(const Tensor& x, const std::vector<Tensor>& indices, Dim axis = 0);
// (..., num_classes): 1 where the index says, 0 elsewhere, and everywhere of an index that is none.
Tensor one_hot(const Tensor& indices, Dim num_classes, DType dtype = DType::float32);

// Stable, ascending unless `descending`; not a number is the greatest. Derivatives go where the values came from.
Tensor sort(const Tensor& x, Dim axis = -1, bool descending = false);
Tensor argsort(const Tensor& x, Dim axis = -1, bool descending = false);  // int32
struct TopK {
  Tensor values, indices;
};
TopK topk(const Tensor& x, Dim k, Dim axis = -1, bool largest = true);  // the best first

// int32 as float32 or float64, and constants and what is computed of integers alone in the other real type; x itself
// where it has that type. All else is std::invalid_argument: a graph computes in one real type.
Tensor cast(const Tensor& x, DType dtype);

// Constants.
Tensor zeros(Shape shape, DType dtype = DType::float32);
Tensor ones(Shape shape, DType dtype = DType::float32);
Tensor full(Shape shape, double value, DType dtype = DType::float32);
Tensor zeros_like(const Tensor& x);
Tensor ones_like(const Tensor& x);
Tensor full_like(const Tensor& x, double value);
Tensor arange(double begin, double end, double step = 1, DType dtype = DType::float32);  // end is not included
Tensor linspace(double begin, double end, Dim count, DType dtype = DType::float32);      // end is included
// rows, or cols, may be kBatch.
Tensor eye(Dim rows, std::optional<Dim> cols = {}, Dim offset = 0, DType dtype = DType::float32);

}  // namespace backpass
