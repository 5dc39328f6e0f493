// A product of two tensors whose axes have names becomes a matmul, or a product of elements and a sum.
#include "graph/contract.h"

#include <algorithm>
#include <numeric>

namespace backpass {
namespace {

template <class F>
std::string axes_where(const std::string& axes, F f) {
  std::string result;
  std::copy_if(axes.begin(), axes.end(), std::back_inserter(result), f);
  return result;
}

bool is_in(char axis, const std::string& axes) { return axes.find(axis) != std::string::npos; }

// The axes of a pair by their part in a product.
struct Parts {
  std::string both;     // of both operands and of the result
  std::string over;     // summed over
  std::string a_alone;  // of a and of the result
  std::string b_alone;

  Parts(const Named& a, const Named& b, const std::string& kept)
      : both(axes_where(a.axes, [&](char c) { return b.has(c) && is_in(c, kept); })),
        over(axes_where(a.axes, [&](char c) { return b.has(c) && !is_in(c, kept); })),
        a_alone(axes_where(a.axes, [&](char c) { return !b.has(c); })),
        b_alone(axes_where(b.axes, [&](char c) { return !a.has(c); })) {}
};

char batch_of(const Named& t) { return !t.axes.empty() && t.x.shape()[0] == kBatch ? t.axes[0] : '\0'; }

// As a tensor of these axes, of one element where t has none of them.
Tensor stretched(const Named& t, const std::string& axes) {
  const Named own = ordered(t, axes_where(axes, [&](char c) { return t.has(c); }));
  Shape shape;
  for (char c : axes) shape.push_back(own.size(c));
  return reshape(own.x, shape);
}

Named by_elements(const Named& a, const Named& b, const Parts& parts, const std::string& kept) {
  const std::string all = axes_where(kept, [&](char c) { return a.has(c) || b.has(c); }) + parts.over;
  // The batch stays first.
  std::string axes = all;
  for (const Named* t : {&a, &b})
    if (const char batch = batch_of(*t))
      std::stable_partition(axes.begin(), axes.end(), [&](char c) { return c == batch; });
  return summed({stretched(a, axes) * stretched(b, axes), axes}, kept);
}

// An operand as matrices: (first..., rows, cols), stored as (first..., cols, rows) where that is how it lies.
struct Matrices {
  Tensor x;
  bool transposed = false;
};

Matrices matrices(const Named& t, const std::string& first, const std::string& rows, const std::string& cols) {
  const bool transposed = t.axes == first + cols + rows && t.axes != first + rows + cols;
  const Named own = ordered(t, transposed ? first + cols + rows : first + rows + cols);
  const auto elements = [&](const std::string& axes) {
    Dim count = 1;
    for (char c : axes) count *= own.size(c);
    return count;
  };
  Shape shape;
  for (char c : first) shape.push_back(own.size(c));
  shape.push_back(elements(transposed ? cols : rows));
  shape.push_back(elements(transposed ? rows : cols));
  return {reshape(own.x, shape), transposed};
}

Named by_matmul(const Named& a, const Named& b, Parts parts, Precision precision) {
  std::string first = parts.both;
  // A batch that b has not stands before everything, and b is repeated along it.
  const char batch = batch_of(a);
  if (batch && is_in(batch, parts.a_alone)) {
    std::erase(parts.a_alone, batch);
    first.insert(first.begin(), batch);
  }
  const Matrices left = matrices(a, first, parts.a_alone, parts.over);
  const Matrices right = matrices(b, parts.both, parts.over, parts.b_alone);
  const Tensor y = matmul(left.x, right.x, left.transposed, right.transposed, precision);
  Shape shape;
  for (char c : first + parts.a_alone) shape.push_back(a.size(c));
  for (char c : parts.b_alone) shape.push_back(b.size(c));
  return {reshape(y, shape), first + parts.a_alone + parts.b_alone};
}

}  // namespace

Named ordered(const Named& t, const std::string& axes) {
  if (axes == t.axes) return t;
  std::vector<Dim> order;
  for (char c : axes) order.push_back(static_cast<Dim>(t.axes.find(c)));
  return {transpose(t.x, order), axes};
}

Named summed(const Named& t, const std::string& kept) {
  std::vector<Dim> over;
  for (std::size_t i = 0; i < t.axes.size(); ++i)
    if (!is_in(t.axes[i], kept)) over.push_back(static_cast<Dim>(i));
  if (over.empty()) return t;
  return {sum(t.x, over), axes_where(t.axes, [&](char c) { return is_in(c, kept); })};
}

Named contract(const Named& a, const Named& b, const std::string& kept, Precision precision) {
  const Parts parts(a, b, kept);
  const char batch_a = batch_of(a), batch_b = batch_of(b);
  const bool over_batch = batch_a && is_in(batch_a, parts.over);
  const bool swapped = (batch_b && is_in(batch_b, parts.b_alone)) || kept == parts.both + parts.b_alone + parts.a_alone;
  const bool a_is_all = parts.b_alone.empty(), b_is_all = parts.a_alone.empty();
  // Nothing is summed and one covers the other, or nothing but sums is left.
  if ((parts.over.empty() && (a_is_all || b_is_all)) || (a_is_all && b_is_all)) return by_elements(a, b, parts, kept);
  if (over_batch) {
    if (!parts.both.empty()) return by_elements(a, b, parts, kept);
    const Matrices left = matrices(a, parts.over, "", parts.a_alone),
                   right = matrices(b, parts.over, "", parts.b_alone);
    const auto rows = [&](const Matrices& t) {  // (over..., columns)
      Shape shape(t.x.shape().begin(), t.x.shape().end() - 2);
      shape.push_back(t.x.shape().back());
      return reshape(t.x, shape);
    };
    const Tensor y = contract_rows(rows(left), rows(right), precision);
    Shape shape;
    for (char c : parts.a_alone) shape.push_back(a.size(c));
    for (char c : parts.b_alone) shape.push_back(b.size(c));
    return {reshape(y, shape), parts.a_alone + parts.b_alone};
  }
  return swapped ? by_matmul(b, a, Parts(b, a, kept), precision) : by_matmul(a, b, parts, precision);
}

}  // namespace backpass
