"""Graphs made at random: whatever fusion makes of them, they compute what their ops say."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import backpass as bp
import reference
from registry import UNARY
from test_graph import run, tensors

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
