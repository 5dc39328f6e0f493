"""The chain rule over several ops: paths that part and meet, and what stops a gradient."""

import numpy as np
import pytest

import backpass as bp
import reference
from registry import OpCase, by_name, generator
from test_graph import run, tensors

COMPOSED = (
    OpCase("exp(sin-like)", lambda x: bp.exp(bp.tanh(x) * 2), lambda x: np.exp(2 * np.tanh(x)), ((1,),)),
    OpCase("sigmoid(x^2 - x)", lambda x: bp.sigmoid(bp.square(x) - x), lambda x: reference.sigmoid(x * x - x), ((1,),)),
    OpCase("log(1 + x^2)", lambda x: bp.log(1 + x * x), lambda x: np.log(1 + x * x), ((1,),)),
    OpCase("x exp(-x^2 / 2)", lambda x: x * bp.exp(-x * x / 2), lambda x: x * np.exp(-x * x / 2), ((1,),)),
    OpCase("softplus(erf(gelu))", lambda x: bp.softplus(bp.erf(bp.gelu(x))),
           lambda x: reference.softplus(reference.erf(reference.gelu(x))), ((1,),)),
)  # fmt: skip


@pytest.mark.row("A11")
@pytest.mark.parametrize("point", [-1.3, 0.2, 0.9])
@pytest.mark.parametrize("case", **by_name(COMPOSED))
def test_chain_rule_of_one_variable(case, point):
    x = np.array([point])
    inputs = tensors([x])
    value, grad = run(inputs, [case.build(*inputs), *bp.gradients(bp.sum(case.build(*inputs)), inputs)], [x])
    np.testing.assert_allclose(value, case.reference(x), rtol=1e-13)
    assert reference.relative_error(grad, reference.numerical_gradient(lambda v: case.reference(v).item(), x)) < 1e-9


@pytest.mark.row("A12")
def test_two_paths_add_up():
    """z = x y with x = t^2, y = exp(t): dz/dt = y 2t + x exp(t)."""
    t = np.array([0.7])
    inputs = tensors([t])
    x, y = bp.square(inputs[0]), bp.exp(inputs[0])
    (grad,) = run(inputs, bp.gradients(bp.sum(x * y), inputs), [t])
    np.testing.assert_allclose(grad, np.exp(t) * 2 * t + t**2 * np.exp(t), rtol=1e-14)


@pytest.mark.row("A12")
@pytest.mark.parametrize("uses", [2, 3, 10])
def test_fan_out_accumulates(uses):
    x = generator(uses).standard_normal((3, 4))
    inputs = tensors([x])
    hidden = bp.tanh(inputs[0])
    total = sum((hidden * (k + 1) for k in range(1, uses)), hidden)
    (grad,) = run(inputs, bp.gradients(bp.sum(total), inputs), [x])
    np.testing.assert_allclose(grad, uses * (uses + 1) / 2 * (1 - np.tanh(x) ** 2), rtol=1e-13)


@pytest.mark.row("A13")
def test_gradient_to_the_input_of_a_chain():
    """L = l(f3(f2(f1(x))))."""
    x = generator("chain").standard_normal((2, 3))
    weights = [generator("chain", k).standard_normal((3, 3)) for k in range(3)]
    inputs = tensors([x, *weights])
    y = inputs[0]
    for w in inputs[1:]:
        y = bp.tanh(y @ w)
    cost = bp.mean(bp.square(y))

    def value(v):
        return run(inputs, [cost], [v, *weights])[0].item()

    (grad,) = run(inputs, bp.gradients(cost, inputs[:1]), [x, *weights])
    assert reference.relative_error(grad, reference.numerical_gradient(value, x)) < 1e-9


def test_an_input_without_influence_gets_zeros():
    x = np.ones((2, 3))
    inputs = tensors([x, x])
    (grad,) = run(inputs, bp.gradients(bp.sum(inputs[0]), inputs[1:]), [x, x])
    np.testing.assert_array_equal(grad, np.zeros((2, 3)))


def test_no_gradient_flows_through_stop_gradient():
    x = np.array([2.0, 3.0])
    inputs = tensors([x])
    value = inputs[0] * bp.stop_gradient(inputs[0])
    y, grad = run(inputs, [value, *bp.gradients(bp.sum(value), inputs)], [x])
    np.testing.assert_array_equal(y, x**2)
    np.testing.assert_array_equal(grad, x)


@pytest.mark.parametrize("fn", [bp.maximum, bp.minimum], ids=["maximum", "minimum"])
def test_ties_send_the_gradient_to_the_first(fn):
    x = np.zeros(3)
    inputs = tensors([x, x])
    first, second = run(inputs, bp.gradients(bp.sum(fn(*inputs)), inputs), [x, x])
    np.testing.assert_array_equal(first, np.ones(3))
    np.testing.assert_array_equal(second, np.zeros(3))
