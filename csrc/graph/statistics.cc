// Reductions that are made of a few operations.
#include <cmath>

#include "base/error.h"
#include "graph/rules.h"

namespace backpass {
namespace {

// Where x is 0, the root is of a constant, through which no gradient flows.
Tensor root(const Tensor& x) { return sqrt(maximum(x, constant(least_normal(x.dtype()), {}, x.dtype()))) * step(x); }

// What is not a number is not 0; numbers below the least normal one are, as where they are computed with.
Tensor is_nonzero(const char* who, const Tensor& x) {
  if (!x || x.dtype() == DType::int32) fail(who, "takes float32 or float64");
  return 1.0 - greater(constant(least_normal(x.dtype()), {}, x.dtype()), abs(x));
}

}  // namespace

Tensor var(const Tensor& x, Axes axes, double correction, bool keepdims) {
  const std::vector<Dim> over = axes_or_all("var", x, axes);
  const Tensor distance = x - mean(x, over, true), n = count(x, over);
  return sum(square(distance), over, keepdims) / (n - correction);
}

Tensor std(const Tensor& x, Axes axes, double correction, bool keepdims) {
  return root(var(x, axes, correction, keepdims));
}

Tensor norm(const Tensor& x, Axes axes, bool keepdims, double order) {
  const std::vector<Dim> over = axes_or_all("norm", x, axes);
  if (order == 2) return root(sum(square(x), over, keepdims));
  if (order == 1) return sum(abs(x), over, keepdims);
  if (order == 0) return count_nonzero(x, over, keepdims);
  if (!std::isinf(order)) fail("norm", "order must be 0, 1, 2, inf or -inf, got ", order);
  return order > 0 ? max(abs(x), over, keepdims) : min(abs(x), over, keepdims);
}

Tensor count_nonzero(const Tensor& x, Axes axes, bool keepdims) {
  return sum(is_nonzero("count_nonzero", x), std::move(axes), keepdims);
}

Tensor any(const Tensor& x, Axes axes, bool keepdims) {
  return step(sum(is_nonzero("any", x), std::move(axes), keepdims));
}

Tensor all(const Tensor& x, Axes axes, bool keepdims) {
  return 1.0 - step(sum(1.0 - is_nonzero("all", x), std::move(axes), keepdims));
}

}  // namespace backpass
