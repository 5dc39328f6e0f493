// Reductions over axes, scans along an axis, and functions of all elements along an axis.
#pragma once

#include <optional>
#include <vector>

#include "backpass/tensor.h"

namespace backpass {

using Axes = std::optional<std::vector<Dim>>;

// Over the given axes (negative ones count from the end), or over all of them.
Tensor sum(const Tensor& x, Axes axes = {}, bool keepdims = false);
Tensor mean(const Tensor& x, Axes axes = {}, bool keepdims = false);
// Not a number where any element is. Elements that tie share the gradient equally. Of no elements: an error where that
// is known, -inf and inf of an empty batch.
Tensor max(const Tensor& x, Axes axes = {}, bool keepdims = false);
Tensor min(const Tensor& x, Axes axes = {}, bool keepdims = false);
// Its derivatives hold where elements are 0. Of no elements: 1.
Tensor prod(const Tensor& x, Axes axes = {}, bool keepdims = false);
// The mean of squared distances from the mean, with n - correction in place of n.
Tensor var(const Tensor& x, Axes axes = {}, double correction = 0, bool keepdims = false);
Tensor std(const Tensor& x, Axes axes = {}, double correction = 0, bool keepdims = false);  // derivative 0 at 0
// Of vectors. Order 1: sum of |x|; 2: sqrt(sum(square(x))), where squares must be within the range of the type, with
// derivative 0 at 0; inf and -inf: the greatest and the least |x|; 0: how many are not 0.
Tensor norm(const Tensor& x, Axes axes = {}, bool keepdims = false, double order = 2);
Tensor logsumexp(const Tensor& x, Axes axes = {}, bool keepdims = false);  // -inf of no elements
// 0 or 1 of the type of x; not 0 is true, as is what is not a number. Choices: no gradient flows.
Tensor any(const Tensor& x, Axes axes = {}, bool keepdims = false);
Tensor all(const Tensor& x, Axes axes = {}, bool keepdims = false);
Tensor count_nonzero(const Tensor& x, Axes axes = {}, bool keepdims = false);  // of the type of x

// int32: where the greatest or least element is, the first of several; not a number is both. Without an axis, in x as
// one row.
Tensor argmax(const Tensor& x, std::optional<Dim> axis = {}, bool keepdims = false);
Tensor argmin(const Tensor& x, std::optional<Dim> axis = {}, bool keepdims = false);

// Sums and products of all elements up to each. Derivatives of products hold where elements are 0.
Tensor cumsum(const Tensor& x, Dim axis);
Tensor cumprod(const Tensor& x, Dim axis);

Tensor softmax(const Tensor& x, Dim axis = -1);
Tensor log_softmax(const Tensor& x, Dim axis = -1);
Tensor log_sum_exp(const Tensor& x, Dim axis = -1);  // drops the axis; -inf for rows without elements

}  // namespace backpass
