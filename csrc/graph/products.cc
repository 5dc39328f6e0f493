// NumPy's products beside matmul: dot, inner, outer, tensordot, kron.
#include "backpass/products.h"

#include <numeric>

#include "base/error.h"
#include "graph/contract.h"

namespace backpass {
namespace {

Tensor flat(const char* who, const Tensor& x) {
  if (!x.shape().empty() && x.shape()[0] == kBatch) {
    if (x.shape().size() == 1) return x;
    fail(who, "a batch of unknown size cannot be flattened: ", to_string(x.shape()));
  }
  return reshape(x, {element_count(x.shape())});
}

void check(const char* who, const Tensor& a, const Tensor& b) {
  if (!a || !b) fail(who, "got an empty tensor");
}

std::string letters(char first, std::size_t count) {
  std::string result(count, first);
  std::iota(result.begin(), result.end(), first);
  return result;
}

}  // namespace

Tensor dot(const Tensor& a, const Tensor& b) {
  check("dot", a, b);
  const std::size_t rank_a = a.shape().size(), rank_b = b.shape().size();
  if (rank_a == 0 || rank_b == 0) return a * b;
  if (rank_b <= 2) return matmul(a, b);
  return tensordot(a, b, {-1}, {-2});
}

Tensor vdot(const Tensor& a, const Tensor& b) {
  check("vdot", a, b);
  if (a.shape() == b.shape()) return sum(a * b);
  const Tensor left = flat("vdot", a), right = flat("vdot", b);
  if (left.shape() != right.shape())
    fail("vdot", "takes as many elements of both, got ", to_string(a.shape()), " and ", to_string(b.shape()));
  return sum(left * right);
}

Tensor inner(const Tensor& a, const Tensor& b) {
  check("inner", a, b);
  return a.shape().empty() || b.shape().empty() ? a * b : tensordot(a, b, {-1}, {-1});
}

Tensor outer(const Tensor& a, const Tensor& b) {
  check("outer", a, b);
  const Tensor column = flat("outer", a), row = flat("outer", b);
  return reshape(column, {column.shape()[0], 1}) * reshape(row, {1, row.shape()[0]});
}

Tensor tensordot(const Tensor& a, const Tensor& b, std::vector<Dim> axes_a, std::vector<Dim> axes_b) {
  check("tensordot", a, b);
  if (axes_a.size() != axes_b.size())
    fail("tensordot", "takes as many axes of both, got ", axes_a.size(), " and ", axes_b.size());
  normalize_axes("tensordot", a, axes_a);  // checks them
  normalize_axes("tensordot", b, axes_b);
  Named left{a, letters('a', a.shape().size())}, right{b, letters('A', b.shape().size())};
  for (std::size_t i = 0; i < axes_a.size(); ++i) {
    const auto at = [](Dim axis, const Tensor& x) {
      return static_cast<std::size_t>(axis < 0 ? axis + static_cast<Dim>(x.shape().size()) : axis);
    };
    const std::size_t of_a = at(axes_a[i], a), of_b = at(axes_b[i], b);
    if (a.shape()[of_a] != b.shape()[of_b])
      fail("tensordot", "axis ", axes_a[i], " of ", to_string(a.shape()), " does not fit axis ", axes_b[i], " of ",
           to_string(b.shape()));
    right.axes[of_b] = left.axes[of_a];
  }
  std::string kept;
  for (char c : left.axes)
    if (!right.has(c)) kept += c;
  for (char c : right.axes)
    if (!left.has(c)) kept += c;
  return ordered(contract(left, right, kept, Precision::highest), kept).x;
}

Tensor tensordot(const Tensor& a, const Tensor& b, Dim axes) {
  check("tensordot", a, b);
  const Dim rank = static_cast<Dim>(a.shape().size());
  if (axes < 0 || axes > rank || axes > static_cast<Dim>(b.shape().size()))
    fail("tensordot", axes, " axes do not fit ", to_string(a.shape()), " and ", to_string(b.shape()));
  std::vector<Dim> last(static_cast<std::size_t>(axes)), first(last.size());
  std::iota(last.begin(), last.end(), rank - axes);
  std::iota(first.begin(), first.end(), 0);
  return tensordot(a, b, last, first);
}

// (a, b) dimensions side by side, then one for both.
Tensor kron(const Tensor& a, const Tensor& b) {
  check("kron", a, b);
  Shape left, right, together;
  if (a.shape().size() != b.shape().size() || a.shape().size() > Shape::kMaxRank / 2)
    fail("kron", "takes tensors of one rank, four at most, got ", to_string(a.shape()), " and ", to_string(b.shape()));
  for (std::size_t i = 0; i < a.shape().size(); ++i) {
    const Dim of_a = a.shape()[i], of_b = b.shape()[i];
    if (of_a == kBatch || of_b == kBatch) fail("kron", "a batch of unknown size cannot be joined with another axis");
    left.push_back(of_a);
    left.push_back(1);
    right.push_back(1);
    right.push_back(of_b);
    together.push_back(of_a * of_b);
  }
  return reshape(reshape(a, left) * reshape(b, right), together);
}

}  // namespace backpass
