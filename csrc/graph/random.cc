// Random numbers: two kinds of op, and what is composed of them.
#include "backpass/random.h"

#include <cmath>

#include "base/error.h"
#include "graph/rules.h"

namespace backpass {
namespace {

void check_parameter(const char* who, const Tensor& x) {
  if (!x || x.dtype() == DType::int32) fail(who, "takes a tensor of float32 or float64");
}

Tensor drawn_by(OpKind kind, Shape shape, DType dtype) {
  if (dtype == DType::int32) fail(name(kind), "must be float32 or float64");
  for (std::size_t i = 0; i < shape.size(); ++i)
    if (shape[i] < 0 && !(i == 0 && shape[i] == kBatch))
      fail(name(kind), "dimensions must not be negative (only the first may be the batch), got ", to_string(shape));
  return make_tensor({.kind = kind, .shape = std::move(shape), .dtype = dtype, .always = true, .stream = kNextStream});
}

}  // namespace

Tensor random_uniform(Shape shape, DType dtype) { return drawn_by(OpKind::random_uniform, std::move(shape), dtype); }
Tensor random_normal(Shape shape, DType dtype) { return drawn_by(OpKind::random_normal, std::move(shape), dtype); }

Tensor random_gumbel(Shape shape, DType dtype) { return -log(-log(random_uniform(std::move(shape), dtype))); }

Tensor random_bernoulli(const Tensor& p) {
  check_parameter("random_bernoulli", p);
  return less(random_uniform(p.shape(), p.dtype()), p);
}

// The greatest of logits and Gumbel noise is at i with probability softmax(logits)[i] (Gumbel 1954).
Tensor random_categorical(const Tensor& logits, Dim axis) {
  check_parameter("random_categorical", logits);
  return argmax(logits + random_gumbel(logits.shape(), logits.dtype()), axis);
}

Tensor random_permutation(Dim n, DType dtype) {
  if (n < 0) fail("random_permutation", "n must not be negative, got ", n);
  return argsort(random_uniform({n}, dtype));
}

Tensor gumbel_softmax(const Tensor& logits, double temperature, bool hard, Dim axis) {
  check_parameter("gumbel_softmax", logits);
  if (!(temperature > 0) || !std::isfinite(temperature))
    fail("gumbel_softmax", "temperature must be positive and finite, got ", temperature);
  const Tensor soft = softmax((logits + random_gumbel(logits.shape(), logits.dtype())) / temperature, axis);
  if (!hard) return soft;
  const std::size_t at = static_cast<std::size_t>(normalize_axes("gumbel_softmax", logits, {axis})[0]);
  const Tensor chosen = one_hot(argmax(soft, axis), logits.shape()[at], logits.dtype());
  return straight_through(moveaxis(chosen, -1, axis), soft);
}

}  // namespace backpass
