// int32 tensors: comparing them, and taking them to a real type. Both are computed outside of a plan's programs, which
// know real numbers only.
#include <algorithm>
#include <array>
#include <functional>
#include <span>

#include "base/error.h"
#include "graph/rules.h"

namespace backpass {
namespace {

using Shared = std::shared_ptr<const HostFunction>;  // one for all ops of a kind: plans are found again by it

std::span<const std::int32_t> elements(const ArrayView& view) {
  return {static_cast<const std::int32_t*>(view.data), static_cast<std::size_t>(element_count(view.shape))};
}

template <class Compare, class T>
Shared comparison(const char* who, DType dtype) {
  const auto compare = [dtype](const std::vector<ArrayView>& inputs) {
    const auto a = elements(inputs[0]), b = elements(inputs[1]);
    Array result(dtype, inputs[0].shape);
    const auto y = result.values<T>();
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = Compare()(a[i], b[i]) ? T(1) : T(0);
    return result;
  };
  return std::make_shared<const HostFunction>(HostFunction{who, compare});
}

template <class T>
Shared cast_to(DType dtype) {
  const auto convert = [dtype](const std::vector<ArrayView>& inputs) {
    const auto x = elements(inputs[0]);
    Array result(dtype, inputs[0].shape);
    const auto y = result.values<T>();
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = static_cast<T>(x[i]);
    return result;
  };
  return std::make_shared<const HostFunction>(HostFunction{"cast", convert});
}

using Comparisons = std::array<std::pair<Elementwise, Shared>, 6>;

template <class T>
Comparisons comparisons(DType dtype) {
  return {{
      {Elementwise::equal, comparison<std::equal_to<>, T>("equal", dtype)},
      {Elementwise::not_equal, comparison<std::not_equal_to<>, T>("not_equal", dtype)},
      {Elementwise::less, comparison<std::less<>, T>("less", dtype)},
      {Elementwise::less_equal, comparison<std::less_equal<>, T>("less_equal", dtype)},
      {Elementwise::greater, comparison<std::greater<>, T>("greater", dtype)},
      {Elementwise::greater_equal, comparison<std::greater_equal<>, T>("greater_equal", dtype)},
  }};
}

constexpr Elementwise kComparisons[] = {Elementwise::equal,      Elementwise::not_equal, Elementwise::less,
                                        Elementwise::less_equal, Elementwise::greater,   Elementwise::greater_equal};

Shared comparison_of(Elementwise fn, DType dtype) {
  static const Comparisons in_float = comparisons<float>(DType::float32),
                           in_double = comparisons<double>(DType::float64);
  for (const auto& [each, function] : dtype == DType::float64 ? in_double : in_float)
    if (each == fn) return function;
  return nullptr;
}

// The real type of the graph that integers come from, float64 if that is what they were chosen from.
DType real_type(const Tensor& x) {
  if (x.dtype() != DType::int32) return x.dtype();
  const bool wide =
      std::ranges::any_of(x.op().inputs, [](const Tensor& from) { return real_type(from) == DType::float64; });
  return wide ? DType::float64 : DType::float32;
}

Tensor host_op(Shared function, std::vector<Tensor> inputs, DType dtype) {
  const Shape shape = inputs[0].shape();
  return make_tensor(
      {.kind = OpKind::host, .inputs = std::move(inputs), .shape = shape, .dtype = dtype, .host = std::move(function)});
}

}  // namespace

bool compares_integers(Elementwise fn, const Tensor& a, const Tensor& b) {
  return a && b && a.dtype() == DType::int32 && b.dtype() == DType::int32 &&
         comparison_of(fn, DType::float32) != nullptr;
}

Tensor compared_integers(Elementwise fn, const Tensor& a, const Tensor& b) {
  const std::optional<Shape> shape = broadcast(a.shape(), b.shape());
  if (!shape) fail(name(fn), "shapes ", to_string(a.shape()), " and ", to_string(b.shape()), " do not broadcast");
  const bool wide = real_type(a) == DType::float64 || real_type(b) == DType::float64;
  const DType dtype = wide ? DType::float64 : DType::float32;
  return host_op(comparison_of(fn, dtype), {broadcast_to(a, *shape), broadcast_to(b, *shape)}, dtype);
}

namespace {

Shared cast_of(DType dtype) {
  static const Shared to_float = cast_to<float>(DType::float32), to_double = cast_to<double>(DType::float64);
  return dtype == DType::float32 ? to_float : to_double;
}

}  // namespace

Tensor integers_as(const Tensor& x, DType dtype) { return host_op(cast_of(dtype), {x}, dtype); }

Tensor of_integers_in(const Tensor& x, DType dtype) {
  const Op& op = x.op();
  if (op.host == cast_of(x.dtype())) return host_op(cast_of(dtype), op.inputs, dtype);
  for (const Elementwise fn : kComparisons)
    if (op.host == comparison_of(fn, x.dtype())) return host_op(comparison_of(fn, dtype), op.inputs, dtype);
  return {};
}

}  // namespace backpass
