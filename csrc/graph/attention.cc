// Attention, composed of products and softmax; and positions.
#include "backpass/attention.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "graph/lengths.h"
#include "graph/op.h"

namespace backpass {
namespace {

// Beside scores, as good as -inf, but finite: rows of nothing else stay numbers.
constexpr double kOut = -1e30;

void check(const Tensor& t, const char* which, const Tensor& q) {
  if (!t) fail("attention", which, " is an empty tensor");
  if (t.dtype() == DType::int32) fail("attention", which, " must be real, got int32");
  if (t.shape().size() < 2)
    fail("attention", which, " must have shape (..., time, features), got ", to_string(t.shape()));
  if (t.dtype() != q.dtype()) fail("attention", which, " must be ", name(q.dtype()), " as q is, got ", name(t.dtype()));
}

void check_shapes(const Tensor& q, const Tensor& k, const Tensor& v) {
  check(q, "q", q), check(k, "k", q), check(v, "v", q);
  const Shape &of_q = q.shape(), &of_k = k.shape(), &of_v = v.shape();
  if (of_q.back() != of_k.back())
    fail("attention", "q and k need as many features, got ", to_string(of_q), " and ", to_string(of_k));
  if (of_k[of_k.size() - 2] != of_v[of_v.size() - 2])
    fail("attention", "k and v need as many rows, got ", to_string(of_k), " and ", to_string(of_v));
  for (const Shape& shape : {of_q, of_k, of_v})
    if (shape[shape.size() - 2] == kBatch || shape.back() == kBatch)
      fail("attention", "the batch can only be a leading dimension, got ", to_string(shape));
}

// 1 where a key is within its sequence.
Tensor within(const Tensor& lengths, const Shape& scores, DType dtype) {
  if (lengths.dtype() != DType::int32 || lengths.shape().size() != 1)
    fail("attention", "lengths must be int32 (batch), got ", name(lengths.dtype()), " ", to_string(lengths.shape()));
  if (scores.size() < 3 || (lengths.shape()[0] != scores[0] && scores[0] != 1))
    fail("attention", "lengths must be one for each of the batch, got ", to_string(lengths.shape()), " for scores ",
         to_string(scores));
  Shape beside = scores;
  std::fill(beside.begin(), beside.end() - 1, 1);
  beside[0] = lengths.shape()[0];
  return reshape(within_lengths(lengths, scores.back(), dtype), beside);
}

// Whether it stands beside scores as it is, or repeated.
void check_beside(const char* which, const Tensor& t, const Shape& scores) {
  const Shape& shape = t.shape();
  bool fits = shape.size() <= scores.size();
  for (std::size_t i = 0; fits && i < shape.size(); ++i) {
    const Dim own = shape[shape.size() - 1 - i];
    fits = own == 1 || own == scores[scores.size() - 1 - i];
  }
  if (!fits)
    fail("attention", which, " must broadcast to (..., queries, keys), ", to_string(scores), ", got ",
         to_string(shape));
}

Tensor times(const Tensor& a, const Tensor& b) { return a ? a * b : b; }

// Which keys count (1 or 0), if that is said; and whether a row may be left without any.
struct Masks {
  Tensor counts;
  bool may_lose_all = false;
};

Masks masks_of(const Attention& settings, const Shape& scores, DType dtype) {
  Masks masks;
  if (settings.lengths) masks.counts = within(settings.lengths, scores, dtype);
  if (settings.keep) {
    check_beside("keep", settings.keep, scores);
    const Tensor keep = settings.keep.dtype() == DType::int32 ? cast(settings.keep, dtype) : settings.keep;
    masks.counts = times(masks.counts, not_equal(keep, zeros_like(keep)));
  }
  masks.may_lose_all = masks.counts || settings.bias;
  if (settings.causal) {
    const Tensor causal = tril(ones({scores[scores.size() - 2], scores.back()}, dtype));
    masks.counts = times(masks.counts, causal);
  }
  return masks;
}

}  // namespace

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const Attention& settings) {
  check_shapes(q, k, v);
  if (!(settings.dropout >= 0 && settings.dropout < 1))
    fail("attention", "dropout must be at least 0 and below 1, got ", settings.dropout);
  if (!std::isfinite(settings.scale)) fail("attention", "scale must be finite, got ", settings.scale);
  if (const Dim queries = q.shape()[q.shape().size() - 2], keys = k.shape()[k.shape().size() - 2];
      settings.causal && queries != keys)
    fail("attention", "causal is for as many queries as keys, got ", queries, " and ", keys,
         ": say with keep which keys each may look at");
  const auto features = static_cast<double>(std::max<Dim>(q.shape().back(), 1));
  Tensor scores = matmul(q, k, false, true) * (settings.scale != 0 ? settings.scale : 1 / std::sqrt(features));
  Masks masks = masks_of(settings, scores.shape(), q.dtype());
  if (masks.counts) scores = scores + (1.0 - masks.counts) * kOut;
  if (settings.bias) {
    check_beside("bias", settings.bias, scores.shape());
    const Tensor least = full_like(settings.bias, kOut);
    scores = scores + maximum(settings.bias, least);
    masks.counts = times(masks.counts, greater(settings.bias, least));
  }
  Tensor weights = softmax(scores);
  if (masks.may_lose_all) weights = weights * masks.counts;
  if (settings.dropout > 0) weights = dropout(weights, settings.dropout);
  return matmul(weights, v);
}

Tensor rotary(const Tensor& x, double base, Dim offset) {
  if (!x || x.dtype() == DType::int32 || x.shape().size() < 2)
    fail("rotary", "takes a real tensor (..., time, features), got ",
         x ? std::string(name(x.dtype())) + " " + to_string(x.shape()) : "an empty one");
  const Dim time = x.shape()[x.shape().size() - 2], features = x.shape().back(), half = features / 2;
  if (time == kBatch || features == kBatch || features % 2 != 0)
    fail("rotary", "needs an even number of features, and the batch as a leading dimension, got ",
         to_string(x.shape()));
  if (!(base > 0 && std::isfinite(base))) fail("rotary", "base must be positive and finite, got ", base);
  std::vector<double> cosines, sines;
  for (Dim t = 0; t < time; ++t)
    for (Dim i = 0; i < features; ++i) {
      const double rate =
          std::pow(base, -2.0 * static_cast<double>(i % std::max<Dim>(half, 1)) / static_cast<double>(features));
      const double angle = static_cast<double>(t + offset) * rate;
      cosines.push_back(std::cos(angle));
      sines.push_back(i < half ? -std::sin(angle) : std::sin(angle));
    }
  const Tensor turned = concat({slice(x, -1, half, features), slice(x, -1, 0, half)}, -1);
  const auto rows = [&](std::vector<double> values) {
    return constant(std::move(values), {time, features}, x.dtype());
  };
  return x * rows(std::move(cosines)) + turned * rows(std::move(sines));
}

Tensor sinusoidal_positions(Dim time, Dim features, DType dtype) {
  if (time < 0 || features < 0) fail("sinusoidal_positions", "takes no negative sizes, got ", time, " and ", features);
  std::vector<double> values;
  for (Dim t = 0; t < time; ++t)
    for (Dim i = 0; i < features; ++i) {
      const double rate = std::pow(10000.0, -static_cast<double>(i - i % 2) / static_cast<double>(features));
      const double angle = static_cast<double>(t) * rate;
      values.push_back(i % 2 == 0 ? std::sin(angle) : std::cos(angle));
    }
  return constant(std::move(values), {time, features}, dtype);
}

}  // namespace backpass
