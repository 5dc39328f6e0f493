// A graph computes in one real type: what is made of constants and integers alone takes that of what it stands beside.
#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "graph/rules.h"

namespace backpass {
namespace {

constexpr int kDeepest = 64;  // constants are made in a few steps

// By which functions make constants of constants and indices.
constexpr OpKind kOfConstants[] = {OpKind::count,   OpKind::elementwise, OpKind::sum,       OpKind::broadcast,
                                   OpKind::reshape, OpKind::transpose,   OpKind::slice,     OpKind::pad,
                                   OpKind::flip,    OpKind::concat,      OpKind::put_label, OpKind::recurrence};

using Made = std::unordered_map<const Op*, Tensor>;

// Empty where something else is in it.
Tensor in_type(const Tensor& x, DType dtype, Made& made, int depth) {
  const Op& op = x.op();
  if (x.dtype() == DType::int32) return x;
  if (op.kind == OpKind::constant) return constant(op.alpha, op.shape, dtype);
  if (op.kind == OpKind::values) return constant(op.values, op.shape, dtype);
  if (op.kind == OpKind::host) return of_integers_in(x, dtype);
  if (depth == kDeepest || std::ranges::find(kOfConstants, op.kind) == std::end(kOfConstants)) return {};
  if (const auto found = made.find(&op); found != made.end()) return found->second;
  Op again = op;
  again.dtype = dtype;
  again.layer = nullptr;
  again.recorded = nullptr;
  for (Tensor& from : again.inputs)
    if (!(from = in_type(from, dtype, made, depth + 1))) return {};
  return made[&op] = make_tensor(std::move(again));
}

Tensor in_type(const Tensor& x, DType dtype) {
  Made made;
  return in_type(x, dtype, made, 0);
}

}  // namespace

std::pair<Tensor, Tensor> in_one_type(const char* who, const Tensor& a, const Tensor& b) {
  if (a.dtype() == b.dtype()) return {a, b};
  const bool real = a.dtype() != DType::int32 && b.dtype() != DType::int32;
  if (const Tensor made = real ? in_type(b, a.dtype()) : Tensor()) return {a, made};
  if (const Tensor made = real ? in_type(a, b.dtype()) : Tensor()) return {made, b};
  fail(who, "types differ: ", name(a.dtype()), " and ", name(b.dtype()),
       real ? ": a graph computes in one real type; tensor(value, dtype) takes a value into another"
            : "; cast() makes real numbers of int32");
}

Tensor cast(const Tensor& x, DType dtype) {
  if (!x) fail("cast", "got an empty tensor");
  if (x.dtype() == dtype) return x;
  if (x.dtype() == DType::int32) return integers_as(x, dtype);
  const Tensor made = dtype == DType::int32 ? Tensor() : in_type(x, dtype);
  if (!made)
    fail("cast", "takes constants, and what is computed of integers alone, to float32 or float64; got ",
         name(x.dtype()), " to ", name(dtype),
         ": a graph computes in one real type; tensor(value, dtype) begins another one");
  return made;
}

}  // namespace backpass
