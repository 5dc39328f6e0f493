// The examples in the docstrings of the extension: they run as tests.
#include "backpass/elementwise.h"
#include "bindings.h"

namespace backpass::python {
namespace {

// A function of one tensor x, at some numbers; those of elementwise.h have theirs in the list there.
struct Example {
  const char *name, *shape, *call, *numbers, *result;
};

constexpr Example kExamples[] = {
    {"gelu", "(3,)", "bp.gelu(x)", "[-1.0, 0.0, 2.0]", "[array([-0.15865525,  0.        ,  1.95449974])]"},
    {"selu", "(3,)", "bp.selu(x)", "[-1.0, 0.0, 2.0]", "[array([-1.11133074,  0.        ,  2.10140197])]"},
    {"hardtanh", "(3,)", "bp.hardtanh(x)", "[-1.0, 0.0, 2.0]", "[array([-1.,  0.,  1.])]"},
    {"softmax", "(3,)", "bp.softmax(x)", "[-1.0, 0.0, 2.0]", "[array([0.04201007, 0.1141952 , 0.84379473])]"},
    {"sqrt", "(3,)", "bp.sqrt(x)", "[0.25, 1.0, 4.0]", "[array([0.5, 1. , 2. ])]"},
    {"log", "(3,)", "bp.log(x)", "[0.5, 1.0, 2.0]", "[array([-0.69314718,  0.        ,  0.69314718])]"},
    {"reciprocal", "(3,)", "bp.reciprocal(x)", "[0.5, 1.0, 4.0]", "[array([2.  , 1.  , 0.25])]"},
    {"rsqrt", "(3,)", "bp.rsqrt(x)", "[0.25, 1.0, 4.0]", "[array([2. , 1. , 0.5])]"},
    {"log2", "(3,)", "bp.log2(x)", "[0.5, 1.0, 8.0]", "[array([-1.,  0.,  3.])]"},
    {"log10", "(3,)", "bp.log10(x)", "[0.1, 1.0, 1000.0]", "[array([-1.,  0.,  3.])]"},
    {"log1p", "(3,)", "bp.log1p(x)", "[0.0, 1.0, 1e-20]", "[array([0.00000000e+00, 6.93147181e-01, 1.00000000e-20])]"},
    {"arcsin", "(3,)", "bp.arcsin(x)", "[-1.0, 0.0, 0.5]", "[array([-1.57079633,  0.        ,  0.52359878])]"},
    {"arccos", "(3,)", "bp.arccos(x)", "[-1.0, 0.0, 0.5]", "[array([3.14159265, 1.57079633, 1.04719755])]"},
    {"lgamma", "(3,)", "bp.lgamma(x)", "[1.0, 0.5, 5.0]", "[array([0.        , 0.57236494, 3.17805383])]"},
    {"digamma", "(3,)", "bp.digamma(x)", "[1.0, 0.5, 5.0]", "[array([-0.57721566, -1.96351003,  1.50611767])]"},
    {"conv1d", "(1, 4, 1)", "bp.flatten(bp.conv1d(x, bp.ones((1, 2, 1), \"float64\")))",
     "[[[1.0], [2.0], [4.0], [8.0]]]", "[array([ 3.,  6., 12.])]"},
    {"conv1d_transpose", "(1, 4, 1)", "bp.flatten(bp.conv1d_transpose(x, bp.ones((1, 2, 1), \"float64\")))",
     "[[[1.0], [2.0], [4.0], [8.0]]]", "[array([ 1.,  3.,  6., 12.,  8.])]"},
    {"conv2d", "(1, 2, 2, 1)", "bp.flatten(bp.conv2d(x, bp.ones((1, 1, 2, 1), \"float64\")))",
     "[[[[1.0], [2.0]], [[3.0], [4.0]]]]", "[array([3., 7.])]"},
    {"conv2d_transpose", "(1, 1, 2, 1)",
     "bp.flatten(bp.conv2d_transpose(x, bp.ones((1, 1, 2, 1), \"float64\"), stride=2))", "[[[[1.0], [2.0]]]]",
     "[array([1., 1., 2., 2.])]"},
    {"max_pool1d", "(1, 4, 1)", "bp.flatten(bp.max_pool1d(x, 2))", "[[[1.0], [2.0], [4.0], [8.0]]]",
     "[array([2., 8.])]"},
    {"avg_pool1d", "(1, 4, 1)", "bp.flatten(bp.avg_pool1d(x, 2))", "[[[1.0], [2.0], [4.0], [8.0]]]",
     "[array([1.5, 6. ])]"},
    {"adaptive_max_pool1d", "(1, 4, 1)", "bp.flatten(bp.adaptive_max_pool1d(x, 3))", "[[[1.0], [2.0], [4.0], [8.0]]]",
     "[array([2., 4., 8.])]"},
    {"adaptive_avg_pool1d", "(1, 4, 1)", "bp.flatten(bp.adaptive_avg_pool1d(x, 3))", "[[[1.0], [2.0], [4.0], [8.0]]]",
     "[array([1.5, 3. , 6. ])]"},
    {"max_pool2d", "(1, 2, 2, 1)", "bp.flatten(bp.max_pool2d(x, (2, 1)))", "[[[[1.0], [2.0]], [[3.0], [4.0]]]]",
     "[array([3., 4.])]"},
    {"avg_pool2d", "(1, 2, 2, 1)", "bp.flatten(bp.avg_pool2d(x, (2, 1)))", "[[[[1.0], [2.0]], [[3.0], [4.0]]]]",
     "[array([2., 3.])]"},
    {"adaptive_max_pool2d", "(1, 2, 2, 1)", "bp.flatten(bp.adaptive_max_pool2d(x, (1, 2)))",
     "[[[[1.0], [2.0]], [[3.0], [4.0]]]]", "[array([3., 4.])]"},
    {"adaptive_avg_pool2d", "(1, 2, 2, 1)", "bp.flatten(bp.adaptive_avg_pool2d(x, 1))",
     "[[[[1.0], [2.0]], [[3.0], [4.0]]]]", "[array([2.5])]"},
    {"attention", "(2, 1)", "bp.flatten(bp.attention(x, x, x, causal=True))", "[[0.0], [1.0]]",
     "[array([0.        , 0.73105858])]"},
    {"rotary", "(2, 2)", "bp.rotary(x)", "[[1.0, 0.0], [1.0, 0.0]]",
     "[array([[1.        , 0.        ],\n           [0.54030231, 0.84147098]])]"},
    {"equal", "(3,)", "bp.equal(x, 2)", "[-1.0, 0.0, 2.0]", "[array([0., 0., 1.])]"},
    {"not_equal", "(3,)", "bp.not_equal(x, 2)", "[-1.0, 0.0, 2.0]", "[array([1., 1., 0.])]"},
    {"less", "(3,)", "bp.less(x, 0)", "[-1.0, 0.0, 2.0]", "[array([1., 0., 0.])]"},
    {"less_equal", "(3,)", "bp.less_equal(x, 0)", "[-1.0, 0.0, 2.0]", "[array([1., 1., 0.])]"},
    {"greater_equal", "(3,)", "bp.greater_equal(x, 0)", "[-1.0, 0.0, 2.0]", "[array([0., 1., 1.])]"},
    {"logical_and", "(3,)", "bp.logical_and(x, x + 1)", "[-1.0, 0.0, 2.0]", "[array([0., 0., 1.])]"},
    {"logical_or", "(3,)", "bp.logical_or(x, x + 1)", "[-1.0, 0.0, 2.0]", "[array([1., 1., 1.])]"},
    {"logical_xor", "(3,)", "bp.logical_xor(x, x + 1)", "[-1.0, 0.0, 2.0]", "[array([1., 1., 0.])]"},
    {"power", "(3,)", "bp.power(2, x)", "[-1.0, 0.0, 2.0]", "[array([0.5, 1. , 4. ])]"},
    {"arctan2", "(3,)", "bp.arctan2(x, 2)", "[-1.0, 0.0, 2.0]", "[array([-0.46364761,  0.        ,  0.78539816])]"},
    {"hypot", "(3,)", "bp.hypot(x, 0)", "[-1.0, 0.0, 2.0]", "[array([1., 0., 2.])]"},
    {"logaddexp", "(3,)", "bp.logaddexp(x, x)", "[-1.0, 0.0, 2.0]", "[array([-0.30685282,  0.69314718,  2.69314718])]"},
    {"mod", "(3,)", "bp.mod(x, 3)", "[-1.0, 0.0, 2.0]", "[array([2., 0., 2.])]"},
    {"where", "(3,)", "bp.where(x > 0, x, -3)", "[-1.0, 0.0, 2.0]", "[array([-3., -3.,  2.])]"},
    {"clip", "(3,)", "bp.clip(x, 0, 1)", "[-1.0, 0.0, 2.0]", "[array([0., 0., 1.])]"},
    {"polygamma", "(3,)", "bp.polygamma(1, x)", "[1.0, 0.5, 5.0]", "[array([1.64493407, 4.9348022 , 0.22132296])]"},
    {"relu6", "(3,)", "bp.relu6(x)", "[-1.0, 2.0, 9.0]", "[array([0., 2., 6.])]"},
    {"maximum", "(3,)", "bp.maximum(x, 1 - x)", "[-1.0, 0.0, 2.0]", "[array([2., 1., 2.])]"},
    {"minimum", "(3,)", "bp.minimum(x, 1 - x)", "[-1.0, 0.0, 2.0]", "[array([-1.,  0., -1.])]"},
    {"greater", "(3,)", "bp.greater(x, 1 - x)", "[-1.0, 0.0, 2.0]", "[array([0., 0., 1.])]"},
    {"dropout", "(3,)", "bp.dropout(x, 0.5)", "[1.0, 2.0, 3.0]", "[array([1., 2., 3.])]"},
    {"gaussian_noise", "(3,)", "bp.gaussian_noise(x, 0.1)", "[1.0, 2.0, 3.0]", "[array([1., 2., 3.])]"},
    {"alpha_dropout", "(3,)", "bp.alpha_dropout(x, 0.1)", "[1.0, 2.0, 3.0]", "[array([1., 2., 3.])]"},
    {"by_mode", "(3,)", "bp.by_mode(0 * x, x)", "[1.0, 2.0, 3.0]", "[array([1., 2., 3.])]"},
    {"straight_through", "(3,)", "bp.straight_through(bp.round(x), x)", "[1.2, 2.0, 2.7]", "[array([1., 2., 3.])]"},
    {"random_uniform", "(3,)", "x + 0 * bp.random_uniform(3, dtype=\"float64\")", "[1.0, 2.0, 3.0]",
     "[array([1., 2., 3.])]"},
    {"random_normal", "(3,)", "bp.random_normal(3, x, 0.0)", "[1.0, 2.0, 3.0]", "[array([1., 2., 3.])]"},
    {"random_gumbel", "(3,)", "x + 0 * bp.random_gumbel(3, \"float64\")", "[1.0, 2.0, 3.0]", "[array([1., 2., 3.])]"},
    {"random_bernoulli", "(3,)", "bp.random_bernoulli(x)", "[0.0, 1.0, 0.0]", "[array([0., 1., 0.])]"},
    {"random_categorical", "(3,)", "bp.random_categorical(x)", "[0.0, 99.0, 0.0]", "[array(1, dtype=int32)]"},
    {"random_permutation", "(3,)", "bp.sort(bp.take(x, bp.random_permutation(3, \"float64\")))", "[1.0, 2.0, 3.0]",
     "[array([1., 2., 3.])]"},
    {"gumbel_softmax", "(3,)", "bp.gumbel_softmax(x, hard=True)", "[0.0, 99.0, 0.0]", "[array([0., 1., 0.])]"},
    {"stop_gradient", "(3,)", "bp.stop_gradient(x)", "[1.0, 2.0, 3.0]", "[array([1., 2., 3.])]"},
    {"matmul", "(2, 2)", "bp.matmul(x, x)", "[[1.0, 2.0], [3.0, 4.0]]",
     "[array([[ 7., 10.],\n           [15., 22.]])]"},
    {"dot", "(3,)", "bp.dot(x, x)", "[1.0, 2.0, 3.0]", "[array(14.)]"},
    {"vdot", "(2, 2)", "bp.vdot(x, x)", "[[1.0, 2.0], [3.0, 4.0]]", "[array(30.)]"},
    {"inner", "(2, 2)", "bp.inner(x, x)", "[[1.0, 2.0], [3.0, 4.0]]", "[array([[ 5., 11.],\n           [11., 25.]])]"},
    {"outer", "(2,)", "bp.outer(x, x)", "[2.0, 3.0]", "[array([[4., 6.],\n           [6., 9.]])]"},
    {"kron", "(2,)", "bp.kron(x, x)", "[1.0, 3.0]", "[array([1., 3., 3., 9.])]"},
    {"tensordot", "(2, 2)", "bp.tensordot(x, x, axes=([0], [0]))", "[[1.0, 2.0], [3.0, 4.0]]",
     "[array([[10., 14.],\n           [14., 20.]])]"},
    {"einsum", "(2, 2)", "bp.einsum('ij,kj,kk->i', x, x, x)", "[[1.0, 2.0], [3.0, 4.0]]", "[array([ 49., 111.])]"},
    {"sum", "(2, 2)", "bp.sum(x, axis=1)", "[[1.0, 2.0], [3.0, 4.0]]", "[array([3., 7.])]"},
    {"mean", "(2, 2)", "bp.mean(x, axis=0)", "[[1.0, 2.0], [3.0, 4.0]]", "[array([2., 3.])]"},
    {"norm", "(2, 2)", "bp.norm(x, axis=1)", "[[3.0, 4.0], [0.0, 0.0]]", "[array([5., 0.])]"},
    {"log_sum_exp", "(2, 2)", "bp.log_sum_exp(x)", "[[0.0, 0.0], [1e4, 0.0]]",
     "[array([6.93147181e-01, 1.00000000e+04])]"},
    {"broadcast_to", "(3,)", "bp.broadcast_to(x, (2, 3))", "[1.0, 2.0, 3.0]",
     "[array([[1., 2., 3.],\n           [1., 2., 3.]])]"},
    {"reshape", "(2, 2)", "bp.reshape(x, (4,))", "[[1.0, 2.0], [3.0, 4.0]]", "[array([1., 2., 3., 4.])]"},
    {"transpose", "(2, 2)", "bp.transpose(x, [1, 0])", "[[1.0, 2.0], [3.0, 4.0]]",
     "[array([[1., 3.],\n           [2., 4.]])]"},
    {"slice", "(3,)", "bp.slice(x, 0, 1, 3)", "[1.0, 2.0, 3.0]", "[array([2., 3.])]"},
    {"concat", "(3,)", "bp.concat([x, -x], axis=0)", "[1.0, 2.0, 3.0]", "[array([ 1.,  2.,  3., -1., -2., -3.])]"},
    {"max", "(2, 2)", "bp.max(x, axis=1)", "[[1.0, 3.0], [5.0, 2.0]]", "[array([3., 5.])]"},
    {"amax", "(2, 2)", "bp.amax(x, axis=1)", "[[1.0, 3.0], [5.0, 2.0]]", "[array([3., 5.])]"},
    {"min", "(2, 2)", "bp.min(x, axis=1)", "[[1.0, 3.0], [5.0, 2.0]]", "[array([1., 2.])]"},
    {"amin", "(2, 2)", "bp.amin(x, axis=1)", "[[1.0, 3.0], [5.0, 2.0]]", "[array([1., 2.])]"},
    {"prod", "(2, 2)", "bp.prod(x, axis=0)", "[[1.0, 2.0], [3.0, 4.0]]", "[array([3., 8.])]"},
    {"logsumexp", "(2, 2)", "bp.logsumexp(x, axis=0)", "[[0.0, 0.0], [0.0, 1e4]]",
     "[array([6.93147181e-01, 1.00000000e+04])]"},
    {"any", "(2, 2)", "bp.any(x, axis=1)", "[[0.0, 3.0], [0.0, 0.0]]", "[array([1., 0.])]"},
    {"all", "(2, 2)", "bp.all(x, axis=1)", "[[0.0, 3.0], [1.0, 2.0]]", "[array([0., 1.])]"},
    {"count_nonzero", "(2, 2)", "bp.count_nonzero(x, axis=1)", "[[0.0, 3.0], [1.0, 2.0]]", "[array([1., 2.])]"},
    {"var", "(2, 2)", "bp.var(x, axis=1, ddof=1)", "[[1.0, 3.0], [2.0, 6.0]]", "[array([2., 8.])]"},
    {"std", "(2, 2)", "bp.std(x, axis=1)", "[[1.0, 3.0], [2.0, 6.0]]", "[array([1., 2.])]"},
    {"argmax", "(2, 2)", "bp.argmax(x, axis=1)", "[[1.0, 3.0], [5.0, 2.0]]", "[array([1, 0], dtype=int32)]"},
    {"argmin", "(2, 2)", "bp.argmin(x, axis=1)", "[[1.0, 3.0], [5.0, 2.0]]", "[array([0, 1], dtype=int32)]"},
    {"cumsum", "(3,)", "bp.cumsum(x, axis=0)", "[1.0, 2.0, 3.0]", "[array([1., 3., 6.])]"},
    {"cumprod", "(3,)", "bp.cumprod(x, axis=0)", "[2.0, 3.0, 4.0]", "[array([ 2.,  6., 24.])]"},
    {"log_softmax", "(3,)", "bp.log_softmax(x)", "[-1.0, 0.0, 2.0]",
     "[array([-3.16984602, -2.16984602, -0.16984602])]"},
    {"swapaxes", "(2, 2)", "bp.swapaxes(x, 0, 1)", "[[1.0, 2.0], [3.0, 4.0]]",
     "[array([[1., 3.],\n           [2., 4.]])]"},
    {"moveaxis", "(2, 2)", "bp.moveaxis(x, 0, -1)", "[[1.0, 2.0], [3.0, 4.0]]",
     "[array([[1., 3.],\n           [2., 4.]])]"},
    {"flatten", "(2, 2)", "bp.flatten(x)", "[[1.0, 2.0], [3.0, 4.0]]", "[array([1., 2., 3., 4.])]"},
    {"ravel", "(2, 2)", "bp.ravel(x)", "[[1.0, 2.0], [3.0, 4.0]]", "[array([1., 2., 3., 4.])]"},
    {"expand_dims", "(3,)", "bp.expand_dims(x, 0)", "[1.0, 2.0, 3.0]", "[array([[1., 2., 3.]])]"},
    {"squeeze", "(1, 3)", "bp.squeeze(x)", "[[1.0, 2.0, 3.0]]", "[array([1., 2., 3.])]"},
    {"stack", "(2,)", "bp.stack([x, -x])", "[1.0, 2.0]", "[array([[ 1.,  2.],\n           [-1., -2.]])]"},
    {"split", "(3,)", "bp.split(x, [1])[1]", "[1.0, 2.0, 3.0]", "[array([2., 3.])]"},
    {"unstack", "(2, 2)", "bp.unstack(x)[1]", "[[1.0, 2.0], [3.0, 4.0]]", "[array([3., 4.])]"},
    {"flip", "(3,)", "bp.flip(x)", "[1.0, 2.0, 3.0]", "[array([3., 2., 1.])]"},
    {"roll", "(3,)", "bp.roll(x, 1)", "[1.0, 2.0, 3.0]", "[array([3., 1., 2.])]"},
    {"tile", "(3,)", "bp.tile(x, 2)", "[1.0, 2.0, 3.0]", "[array([1., 2., 3., 1., 2., 3.])]"},
    {"repeat", "(3,)", "bp.repeat(x, 2)", "[1.0, 2.0, 3.0]", "[array([1., 1., 2., 2., 3., 3.])]"},
    {"pad", "(3,)", "bp.pad(x, (1, 2), \"reflect\")", "[1.0, 2.0, 3.0]", "[array([2., 1., 2., 3., 2., 1.])]"},
    {"take_along_axis", "(2, 2)", "bp.take_along_axis(x, bp.argmax(x, 1, True), 1)", "[[1.0, 3.0], [5.0, 2.0]]",
     "[array([[3.],\n           [5.]])]"},
    {"gather", "(2, 2)", "bp.gather(x, 1, [[1], [0]])", "[[1.0, 2.0], [3.0, 4.0]]",
     "[array([[2.],\n           [3.]])]"},
    {"one_hot", "(3,)", "x * bp.one_hot([1], 3, \"float64\")", "[1.0, 2.0, 3.0]", "[array([[0., 2., 0.]])]"},
    {"sort", "(3,)", "bp.sort(x)", "[3.0, 1.0, 2.0]", "[array([1., 2., 3.])]"},
    {"argsort", "(3,)", "bp.argsort(x)", "[3.0, 1.0, 2.0]", "[array([1, 2, 0], dtype=int32)]"},
    {"topk", "(3,)", "bp.topk(x, 2)[0]", "[3.0, 1.0, 2.0]", "[array([3., 2.])]"},
    {"zeros", "(3,)", "x + bp.zeros(3, \"float64\")", "[1.0, 2.0, 3.0]", "[array([1., 2., 3.])]"},
    {"ones", "(3,)", "x + bp.ones(3, \"float64\")", "[1.0, 2.0, 3.0]", "[array([2., 3., 4.])]"},
    {"full", "(3,)", "x + bp.full(3, 2.0, \"float64\")", "[1.0, 2.0, 3.0]", "[array([3., 4., 5.])]"},
    {"zeros_like", "(3,)", "bp.zeros_like(x)", "[1.0, 2.0, 3.0]", "[array([0., 0., 0.])]"},
    {"ones_like", "(3,)", "bp.ones_like(x)", "[1.0, 2.0, 3.0]", "[array([1., 1., 1.])]"},
    {"full_like", "(3,)", "bp.full_like(x, 7.0)", "[1.0, 2.0, 3.0]", "[array([7., 7., 7.])]"},
    {"arange", "(3,)", "x * bp.arange(0.0, 3.0, dtype=\"float64\")", "[1.0, 2.0, 3.0]", "[array([0., 2., 6.])]"},
    {"cast", "(3,)", "x * bp.cast(bp.arange(3), \"float64\")", "[1.0, 2.0, 3.0]", "[array([0., 2., 6.])]"},
    {"linspace", "(3,)", "x * bp.linspace(0.0, 1.0, 3, \"float64\")", "[1.0, 2.0, 3.0]", "[array([0., 1., 3.])]"},
    {"eye", "(2, 2)", "x * bp.eye(2, dtype=\"float64\")", "[[1.0, 2.0], [3.0, 4.0]]",
     "[array([[1., 0.],\n           [0., 4.]])]"},
    {"tril", "(2, 2)", "bp.tril(x)", "[[1.0, 2.0], [3.0, 4.0]]", "[array([[1., 0.],\n           [3., 4.]])]"},
    {"triu", "(2, 2)", "bp.triu(x)", "[[1.0, 2.0], [3.0, 4.0]]", "[array([[1., 2.],\n           [0., 4.]])]"},
    {"diag", "(2,)", "bp.diag(x)", "[1.0, 2.0]", "[array([[1., 0.],\n           [0., 2.]])]"},
    {"diagonal", "(2, 2)", "bp.diagonal(x)", "[[1.0, 2.0], [3.0, 4.0]]", "[array([1., 4.])]"},
    {"trace", "(2, 2)", "bp.trace(x)", "[[1.0, 2.0], [3.0, 4.0]]", "[array(5.)]"},
};

struct Doctest {
  const char *name, *text;
};

constexpr Doctest kDoctests[] = {
    {"Tensor",
     "    >>> import backpass as bp\n"
     "    >>> x = bp.Input(3)\n"
     "    >>> y = bp.relu(x) @ bp.parameter((3, 2))\n"
     "    >>> y.shape, y.kind\n"
     "    ((None, 2), 'matmul')"},
    {"Graph",
     "    >>> import backpass as bp\n"
     "    >>> x = bp.input((2,), name=\"x\")\n"
     "    >>> print(bp.Graph([x], [bp.sum(x * x)]), end=\"\")\n"
     "    %0 = input \"x\"  (2,) float32\n"
     "    %1 = multiply(%0, %0)  (2,) float32\n"
     "    %2 = sum(%1) [0]  () float32\n"
     "    return %2"},
    {"balanced_class_weights",
     "    >>> import backpass as bp\n"
     "    >>> bp.balanced_class_weights([0, 0, 0, 1], 2)\n"
     "    [0.6666666666666666, 2.0]"},
    {"Plan",
     "    >>> import backpass as bp\n"
     "    >>> model = bp.Sequential(bp.Dense(8, activation=\"relu\"), bp.Dense(1), input_shape=4, seed=0)\n"
     "    >>> [call.name for call in model.plan(32).calls]\n"
     "    ['matmul', 'matmul']"},
    {"DivergedError",
     "    >>> import backpass as bp\n"
     "    >>> model = bp.Sequential(bp.Dense(1), input_shape=1, seed=0)\n"
     "    >>> try:\n"
     "    ...     model.fit([[1.0], [2.0]], [[3.0], [5.0]], loss=bp.MSE(), optimizer=bp.SGD(1e9), epochs=99)\n"
     "    ... except bp.DivergedError as error:\n"
     "    ...     error.layer\n"
     "    'the loss'"},
    {"NotFiniteError",
     "    >>> import backpass as bp\n"
     "    >>> model = bp.Sequential(bp.Dense(1), input_shape=1, seed=0)\n"
     "    >>> model.flat_gradients[:] = float(\"nan\")\n"
     "    >>> bp.SGD(0.1).step(model)\n"
     "    Traceback (most recent call last):\n"
     "    backpass.NotFiniteError: [SGD] nothing was updated: the gradient of \"0.weight\" is not finite"},
    {"input",
     "    >>> import backpass as bp\n"
     "    >>> x = bp.input((None, 3), name=\"x\")\n"
     "    >>> x.shape, x.dtype\n"
     "    ((None, 3), 'float32')"},
    {"gradients",
     "    >>> import backpass as bp\n"
     "    >>> x = bp.input((2,), \"float64\")\n"
     "    >>> slope, = bp.gradients(bp.sum(x * x * x), [x])\n"
     "    >>> bp.Graph([x], [slope])([1.0, 2.0])\n"
     "    [array([ 3., 12.])]"},
    {"take",
     "    >>> import backpass as bp\n"
     "    >>> table, rows = bp.input((2, 3), \"float64\"), bp.input((3,), \"int32\")\n"
     "    >>> bp.Graph([table, rows], [bp.take(table, rows)])([[1, 2, 3], [4, 5, 6]], [1, 0, 1])\n"
     "    [array([[4., 5., 6.],\n"
     "           [1., 2., 3.],\n"
     "           [4., 5., 6.]])]"},
    {"take_label",
     "    >>> import backpass as bp\n"
     "    >>> x, labels = bp.input((2, 3), \"float64\"), bp.input((2,), \"int32\")\n"
     "    >>> bp.Graph([x, labels], [bp.take_label(x, labels)])([[1, 2, 3], [4, 5, 6]], [2, 0])\n"
     "    [array([3., 4.])]"},
    {"add_loss",
     "    >>> import backpass as bp\n"
     "    >>> x = bp.Input(2)\n"
     "    >>> hidden = bp.Dense(3, activation=\"relu\")(x)\n"
     "    >>> sparse = bp.add_loss(hidden, 0.01 * bp.abs(hidden))\n"
     "    >>> model = bp.Network(x, bp.Dense(1)(sparse), seed=0)\n"
     "    >>> history = model.fit([[1.0, 2.0]], [[1.0]], loss=bp.MSE(), optimizer=bp.SGD(0.1))\n"
     "    >>> list(history)\n"
     "    ['loss', 'added_loss', 'learning_rate']"},
    {"track",
     "    >>> import backpass as bp\n"
     "    >>> class Last(bp.Layer):\n"
     "    ...     def forward(self, x):\n"
     "    ...         return bp.track(x, self.state(\"last\", x.shape[-1:], \"zeros\"), bp.mean(x, 0), 1.0)\n"
     "    >>> model = bp.Sequential(Last(), input_shape=1)\n"
     "    >>> output = model.forward([[1.0], [3.0]])\n"
     "    >>> model.states()\n"
     "    {'0.last': array([2.], dtype=float32)}"},
};

std::string evaluated(const std::string& shape, const std::string& call, const std::string& numbers,
                      const std::string& result) {
  return "    >>> import backpass as bp\n    >>> x = bp.input(" + shape + ", \"float64\")\n    >>> bp.Graph([x], [" +
         call + "])(" + numbers + ")\n    " + result;
}

std::string example_of(const std::string& name) {
  for (const Doctest& session : kDoctests)
    if (name == session.name) return session.text;
  for (const Example& e : kExamples)
    if (name == e.name) return evaluated(e.shape, e.call, e.numbers, e.result);
  for (const ElementwiseRow& row : kElementwise)
    if (name == row.name && row.example != nullptr)
      return evaluated("(3,)", "bp." + name + "(x)", "[-1.0, 0.0, 2.0]", std::string("[array([") + row.example + "])]");
  return "";
}

}  // namespace

std::string documented(const std::string& name, const std::string& text) {
  const std::string example = example_of(name);
  return example.empty() ? text : text + "\n\nExample:\n" + example;
}

}  // namespace backpass::python
