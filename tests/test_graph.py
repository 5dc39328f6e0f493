"""Every op of the graph: value, gradient, gradient of the gradient, on any shape."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backpass as bp
import reference
from registry import DTYPES, ISAS, OPS, TOLERANCE, UNARY, by_name, generator, using_isa


def tensors(arrays, dtype="float64"):
    return [bp.input(np.shape(array), dtype, f"x{at}") for at, array in enumerate(arrays)]


def run(inputs, outputs, arrays, **options):
    """The values of some tensors of a graph."""
    return bp.Graph(inputs, outputs)(*arrays, **options)


def scalar_gradients(build, inputs):
    """The gradients of sum(y^2 * seed), with y = build(x) and a seed that tells the elements apart."""
    y = build(*inputs)
    numbers = np.linspace(0.5, 1.5, max(1, int(np.prod(y.shape)))).reshape(y.shape)
    seed = bp.input(y.shape, "float64", "seed")
    return seed, numbers, bp.gradients(bp.square(y), inputs, seed)


@pytest.mark.row("P1")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("case", **by_name(OPS))
def test_value_equals_the_reference(case, isa, dtype):
    arrays = [array.astype(dtype) for array in case.inputs(generator(case.name))]
    kept = [array.copy() for array in arrays]
    with using_isa(isa):
        inputs = tensors(arrays, dtype)
        y = case.build(*inputs)
        (value,) = run(inputs, [y], arrays)
    expected = case.reference(*(array.astype(np.float64) for array in arrays))
    assert value.dtype == np.dtype(dtype)
    assert value.shape == tuple(y.shape) == np.shape(expected)
    np.testing.assert_allclose(value, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    for array, before in zip(arrays, kept, strict=True):
        np.testing.assert_array_equal(array, before)


@pytest.mark.row("A1")
@pytest.mark.parametrize("case", **by_name(OPS))
def test_gradient_equals_central_differences(case):
    arrays = case.inputs(generator(case.name))
    inputs = tensors(arrays)
    seed, numbers, grads = scalar_gradients(case.build, inputs)
    results = run([*inputs, seed], grads, [*arrays, numbers])
    for at, grad in enumerate(results):

        def cost(values, at=at):
            (y,) = run(inputs, [case.build(*inputs)], [*arrays[:at], values, *arrays[at + 1 :]])
            return (y**2 * numbers).sum()

        assert grad.shape == arrays[at].shape
        assert reference.relative_error(grad, reference.numerical_gradient(cost, arrays[at])) < 1e-7


@pytest.mark.parametrize("case", **by_name(OPS))
def test_gradient_of_the_gradient_equals_central_differences(case):
    """s = sum over inputs of <dy/dx, v>: its gradient is a product with the Hessian."""
    rng = generator(case.name, "second")
    arrays = case.inputs(rng)
    inputs = tensors(arrays)
    seed, numbers, grads = scalar_gradients(case.build, inputs)
    directions = [rng.uniform(0.5, 1, array.shape) for array in arrays]
    along = tensors(directions)
    total = sum((bp.sum(grad * v) for grad, v in zip(grads, along, strict=True)), bp.constant(0.0, (), "float64"))
    every, values_of_every = [*inputs, seed, *along], [*arrays, numbers, *directions]
    results = run(every, bp.gradients(total, inputs), values_of_every)
    for at, product in enumerate(results):

        def slope(values, at=at):
            return run(every, [total], [*arrays[:at], values, *values_of_every[at + 1 :]])[0].item()

        assert reference.relative_error(product, reference.numerical_gradient(slope, arrays[at]), floor=1e-3) < 1e-7


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["gelu_tanh", "softplus", "elu", "silu", "mish"])
def test_second_derivatives_of_activations_vanish_far_out(name, dtype):
    x = bp.input((6,), dtype)
    y = bp.gelu(x, "tanh") if name == "gelu_tanh" else getattr(bp, name)(x)
    (slope,) = bp.gradients(bp.sum(y), [x])
    (value,) = run([x], bp.gradients(bp.sum(slope), [x]), [[-3e38, -1e4, -100, 100, 1e4, 3e38]])
    np.testing.assert_allclose(value, 0, rtol=0, atol=1e-30)


# Any shape, any broadcast.


@given(shape=st.lists(st.integers(0, 5), min_size=0, max_size=4), data=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
@pytest.mark.parametrize("case", **by_name(UNARY))
def test_elementwise_ops_take_any_shape(case, shape, data):
    (array,) = case.inputs(np.random.default_rng(data), [tuple(shape)])
    inputs = tensors([array])
    y = case.build(*inputs)
    grad = bp.gradients(bp.sum(y), inputs)[0]
    value, slope = run(inputs, [y, grad], [array])
    np.testing.assert_allclose(value, case.reference(array), rtol=1e-12, atol=1e-13)
    assert slope.shape == array.shape


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_broadcasting_is_that_of_numpy(data):
    full = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=4))
    cut = data.draw(st.integers(0, len(full)))
    small = tuple(data.draw(st.sampled_from([dim, 1])) for dim in full[cut:])
    rng = generator(*full)
    a, b = rng.standard_normal(tuple(full)), rng.standard_normal(small)
    inputs = tensors([a, b])
    y = inputs[0] * inputs[1] + inputs[1]
    value, grad_a, grad_b = run(inputs, [y, *bp.gradients(bp.sum(y), inputs)], [a, b])
    np.testing.assert_allclose(value, a * b + b)
    np.testing.assert_allclose(grad_a, np.broadcast_to(b, a.shape))
    expected = a + 1
    for axis in reversed(range(a.ndim)):
        at = axis - (a.ndim - b.ndim)
        if at < 0:
            expected = expected.sum(axis)
        elif small[at] == 1:
            expected = expected.sum(axis, keepdims=True)
    np.testing.assert_allclose(grad_b, expected, rtol=0, atol=1e-13)


@given(m=st.integers(0, 40), n=st.integers(0, 40), k=st.integers(0, 40), data=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_matmul_of_any_shape(m, n, k, data):
    rng = np.random.default_rng(data)
    a, b = rng.standard_normal((m, k)), rng.standard_normal((k, n))
    inputs = tensors([a, b])
    y = inputs[0] @ inputs[1]
    value, grad_a, grad_b = run(inputs, [y, *bp.gradients(bp.sum(y), inputs)], [a, b])
    np.testing.assert_allclose(value, a @ b, rtol=0, atol=1e-13)
    np.testing.assert_allclose(grad_a, np.ones((m, n)) @ b.T, rtol=0, atol=1e-13)
    np.testing.assert_allclose(grad_b, a.T @ np.ones((m, n)), rtol=0, atol=1e-13)


# Labels, dropout.


def test_take_label_and_its_derivatives():
    rng = generator("labels")
    z, labels = rng.standard_normal((6, 4)), rng.integers(0, 4, 6).astype(np.int32)
    x, y = bp.input((6, 4), "float64", "z"), bp.input((6,), "int32", "labels")
    picked = bp.take_label(x, y)
    (grad,) = bp.gradients(bp.sum(bp.square(picked)), [x])
    (second,) = bp.gradients(bp.sum(bp.square(grad)), [x])
    value, slope, bend = run([x, y], [picked, grad, second], [z, labels])
    hot = reference.one_hot(labels, 4)
    np.testing.assert_array_equal(value, z[np.arange(6), labels])
    np.testing.assert_array_equal(slope, 2 * z * hot)
    np.testing.assert_array_equal(bend, 8 * z * hot)


@pytest.mark.row("R1")
@pytest.mark.parametrize("isa", ISAS)
def test_dropout_in_a_graph_draws_the_masks_of_the_reference(isa):
    x = generator("dropout").standard_normal((9, 7))
    mask = reference.dropout_mask((9, 7), 0.4, seed=99, stream=3, step=2**32 + 6)
    with using_isa(isa):
        inputs = tensors([x])
        y = bp.dropout(inputs[0], 0.4, 3)
        outputs = [y, *bp.gradients(bp.sum(bp.square(y)), inputs)]
        dropped, grad = run(inputs, outputs, [x], training=True, seed=99, step=2**32 + 6)
        np.testing.assert_array_equal(run(inputs, [y], [x])[0], x)
    np.testing.assert_allclose(dropped, x * mask, rtol=1e-15)
    np.testing.assert_allclose(grad, 2 * x * mask**2, rtol=1e-15)


def test_dropout_is_differentiated_twice_with_one_mask():
    x = generator("twice").standard_normal((5, 6))
    fixed = {"training": True, "seed": 4, "step": 1}
    inputs = tensors([x])
    cost = bp.sum(bp.tanh(bp.dropout(inputs[0], 0.5, 0)))
    (grad,) = bp.gradients(cost, inputs)
    (second,) = bp.gradients(bp.sum(grad), inputs)
    (product,) = run(inputs, [second], [x], **fixed)

    def slope(values):
        return run(inputs, [grad], [values], **fixed)[0].sum()

    assert product.any()
    assert reference.relative_error(product, reference.numerical_gradient(slope, x)) < 1e-7


@pytest.mark.row("S8")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", ISAS)
def test_log_sum_exp_at_both_ends(isa, dtype):
    x = np.array([[1e4, 1e4, -1e4], [-1e4, -1e4, -1e4], [0, 0, 1e4], [1, 2, 3]], dtype=dtype)
    with using_isa(isa):
        inputs = tensors([x], dtype)
        y = bp.log_sum_exp(inputs[0])
        value, grad = run(inputs, [y, *bp.gradients(bp.sum(y), inputs)], [x])
    expected = [1e4 + np.log(2), -1e4 + np.log(3), 1e4, reference.log_sum_exp(np.array([[1.0, 2, 3]]))[0]]
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_allclose(grad, reference.softmax(x.astype(np.float64)), rtol=0, atol=1e-6)


# Looking at a graph.


def test_a_graph_prints_its_ops_and_draws_itself():
    x, w = bp.input((3, 4), "float64", "x"), bp.input((4, 2), "float64", "w")
    graph = bp.Graph([x, w], [bp.relu(x @ w)])
    text, dot = str(graph), graph.to_dot()
    for word in ("x", "w", "matmul", "relu", "(3, 2)"):
        assert word in text
    assert dot.startswith("digraph")
    assert dot.count("->") == 3


def test_the_plan_of_two_layers_holds_exactly_the_calls_of_the_design():
    model = bp.Sequential(bp.Dense(128), bp.ReLU(), bp.Dense(10), input_shape=64, seed=0)
    trainer = bp.Trainer(model, bp.CrossEntropy(), bp.Adam())
    stages = {}
    for call in trainer.plan(32).calls:
        stages.setdefault(call.stage, []).append(call.name)
    assert [sorted(names) for names in stages.values()] == [
        ["gather", "gather"],
        ["matmul"],
        ["matmul"],
        ["softmax_cross_entropy"],
        ["column_sum", "matmul", "matmul"],
        ["column_sum", "matmul"],
        ["adam"],
    ]
    details = [call.detail for call in trainer.plan(32).calls if call.name == "matmul"]
    assert "+bias relu" in details[0]
    assert sum("relu_grad" in detail for detail in details) == 1
