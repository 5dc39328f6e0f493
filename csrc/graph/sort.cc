// Sorting: the order as indices, and values taken by them, through which gradients flow.
#include "base/error.h"
#include "graph/rules.h"

namespace backpass {

Tensor argsort(const Tensor& x, Dim axis, bool descending) {
  if (!x) fail("argsort", "got an empty tensor");
  if (x.dtype() == DType::int32) fail("argsort", "takes float32 or float64, got int32");
  return make_tensor({.kind = OpKind::argsort,
                      .inputs = {x},
                      .shape = x.shape(),
                      .dtype = DType::int32,
                      .dims = normalize_axes("argsort", x, {axis}),
                      .reverse = descending});
}

Tensor sort(const Tensor& x, Dim axis, bool descending) {
  return take_along_axis(x, argsort(x, axis, descending), axis);
}

TopK topk(const Tensor& x, Dim k, Dim axis, bool largest) {
  const Tensor order = argsort(x, axis, largest);
  const std::size_t at = static_cast<std::size_t>(normalize_axes("topk", x, {axis})[0]);
  if (x.shape()[at] == kBatch) fail("topk", "does not choose from the batch");
  if (k < 0 || k > x.shape()[at])
    fail("topk", "k must be in [0, ", x.shape()[at], "] for shape ", to_string(x.shape()), ", got ", k);
  const Tensor best = slice(order, axis, 0, k);
  return {take_along_axis(x, best, axis), best};
}

}  // namespace backpass
