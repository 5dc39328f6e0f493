"""Every op of the graph: value, gradient, gradient of the gradient; and the chain rule over several of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backpass as bp
import reference
from registry import DTYPES, ISAS, OPS, TOLERANCE, UNARY, OpCase, by_name, generator, using_isa


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


# Graphs made at random: whatever fusion makes of them, they compute what their ops say.


RANDOM_UNARY = [case for case in UNARY if case.low == -2.0 and not case.off_kinks]
RANDOM_BINARY = [("+", lambda a, b: a + b), ("-", lambda a, b: a - b), ("*", lambda a, b: a * b)]
NUMBERS = (0.0, 1.0, -1.0, 0.5, 3.0)


def damped(x):
    """Keeps the values of a random graph from growing: both for tensors and for arrays."""
    return np.tanh(x) if isinstance(x, np.ndarray) else bp.tanh(x)


def random_graph(rng, length):
    """The same graph twice: a list of (build, reference) steps, each on two earlier values."""
    steps = []
    for at in range(length):
        first, second = (int(k) for k in rng.integers(0, at + 3, 2))
        kind = rng.integers(0, 6)
        number = float(rng.choice(NUMBERS))
        steps.append((first, second, *random_step(rng, kind, number)))
    return steps


def random_step(rng, kind, number):
    if kind == 0:
        case = RANDOM_UNARY[rng.integers(len(RANDOM_UNARY))]
        return (lambda a, b: damped(case.build(a))), (lambda a, b: damped(case.reference(a)))
    if kind == 1:
        return (lambda a, b: a * number + b), (lambda a, b: a * number + b)
    if kind == 2:
        return (lambda a, b: bp.softmax(a)), (lambda a, b: reference.softmax(a))
    if kind == 3:
        along = lambda a, b: a - bp.mean(b, -1, True) * number  # noqa: E731
        return along, (lambda a, b: a - b.mean(-1, keepdims=True) * number)
    if kind == 4:
        return (lambda a, b: damped(bp.matmul(a, b, transpose_a=True) + number)), (
            lambda a, b: damped(a.T @ b + number)
        )
    mix = RANDOM_BINARY[rng.integers(len(RANDOM_BINARY))][1]
    return (lambda a, b: damped(mix(a, b))), (lambda a, b: damped(mix(a, b)))


def follow(steps, leaves, which):
    values = list(leaves)
    for step in steps:
        values.append(step[which](values[step[0]], values[step[1]]))
    return values


@given(length=st.integers(1, 14), size=st.integers(1, 9), data=st.integers(0, 2**32))
@settings(max_examples=120, deadline=None)
def test_random_graphs(length, size, data):
    """Every value, and the slope of the last along a random direction by differences of the reference."""
    rng = np.random.default_rng(data)
    steps = random_graph(rng, length)
    leaves = [rng.uniform(-1, 1, (size, size)) for _ in range(3)]
    inputs = tensors(leaves)
    built = follow(steps, inputs, 2)
    grads = bp.gradients(bp.sum(built[-1]), inputs)
    results = run(inputs, [*built[3:], *grads], leaves)
    for ours, expected in zip(results[:length], follow(steps, leaves, 3)[3:], strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-11, atol=1e-11)
    alone = run(inputs, built[-1:], leaves)[0]
    np.testing.assert_allclose(alone, results[length - 1], rtol=1e-12, atol=1e-13)

    directions = [rng.uniform(-1, 1, (size, size)) for _ in range(3)]

    def along(t):
        return follow(steps, [x + t[0] * v for x, v in zip(leaves, directions, strict=True)], 3)[-1].sum()

    slope = sum((grad * v).sum() for grad, v in zip(results[length:], directions, strict=True))
    assert reference.relative_error(slope, reference.numerical_gradient(along, [0.0])[0], floor=1e-3) < 1e-7


# The chain rule.


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
