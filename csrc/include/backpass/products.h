// Products of tensors beside matmul: NumPy's names and meanings.
#pragma once

#include <string>
#include <vector>

#include "backpass/graph.h"

namespace backpass {

// Of vectors the sum of a b; of a (..., k) and b (..., k, n) the sum over k, of shape (a's ..., b's ..., n), which of
// matrices is matmul; of a number the product of elements.
Tensor dot(const Tensor& a, const Tensor& b);
// The sum of a b over all elements, of which both have as many.
Tensor vdot(const Tensor& a, const Tensor& b);
// The sum over the last axes of a (..., k) and b (..., k), of shape (a's ..., b's ...).
Tensor inner(const Tensor& a, const Tensor& b);
// y[i, j] = a[i] b[j], with the elements of a and b in one row each.
Tensor outer(const Tensor& a, const Tensor& b);
// The sum over axes_a of a and axes_b of b, one by one; the axes that are left of a, then those of b.
Tensor tensordot(const Tensor& a, const Tensor& b, std::vector<Dim> axes_a, std::vector<Dim> axes_b);
// Over the last `axes` of a and the first of b.
Tensor tensordot(const Tensor& a, const Tensor& b, Dim axes = 2);
// Kronecker's product: blocks a[i, ...] b, for tensors of one rank, four at most.
Tensor kron(const Tensor& a, const Tensor& b);

// Einstein's summation: "bik,bkj->bij" names the axes of each operand; a letter that the output lacks is summed over,
// one that an operand has twice takes its diagonal. Without "->" the output has the letters that stand once, in
// alphabetical order. "..." are axes that broadcast. Pairs are multiplied in an order that keeps results small, each by
// matmul or by elements. Throws std::invalid_argument where letters and shapes do not fit.
Tensor einsum(const std::string& subscripts, const std::vector<Tensor>& operands,
              Precision precision = Precision::highest);

}  // namespace backpass
