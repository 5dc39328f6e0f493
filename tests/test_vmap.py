"""Maps over an axis: each operation's rule, and functions of several, against a loop."""

import numpy as np
import pytest

import backpass as bp
from registry import OPS, by_name, generator

SIZE = 3


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def drawn(case, mapped):
    """Inputs, of which those that are mapped have one drawing for each element in front."""
    rng = generator("vmap", case.name)
    elements = [case.inputs(rng) for _ in range(SIZE)]
    return [np.stack([e[i] for e in elements]) if m else elements[0][i] for i, m in enumerate(mapped)]


def looped(f, args, mapped):
    return [f(*(a[i] if m else a for a, m in zip(args, mapped, strict=True))) for i in range(SIZE)]


def choices(count):
    """All inputs mapped, or one of them."""
    every = [(True,) * count, *(tuple(j == i for j in range(count)) for i in range(count))]
    return dict.fromkeys(every)


@pytest.mark.parametrize("case", **by_name(OPS))
def test_every_op_has_a_rule(case):
    """So do the ops of its gradient, and of the gradient's."""
    count = len(case.shapes)

    def scalar(*args):
        y = case.build(*args)
        return bp.sum(y * y) if y.dtype != "int32" else bp.sum(args[0])

    everything = tuple(range(count))
    for mapped in choices(count):
        args = drawn(case, mapped)
        axes = tuple(0 if m else None for m in mapped)
        close(bp.vmap(case.build, axes)(*args), np.stack(looped(bp.compile(case.build), args, mapped)))
        for f in (bp.grad(scalar, everything), second(scalar, count)):
            got, expected = bp.vmap(f, axes)(*args), looped(f, args, mapped)
            for i, part in enumerate(got):
                close(part, np.stack([e[i] for e in expected]))


def second(scalar, count):
    """The gradient of the sum of a gradient's squares."""

    def of_gradient(*args):
        grads = bp.grad(scalar, tuple(range(count)))(*args)
        return sum((bp.sum(g * g) for g in grads[1:]), bp.sum(grads[0] * grads[0]))

    return bp.grad(of_gradient, tuple(range(count)))


def test_axes_in_and_out():
    x, y = generator("axes").standard_normal((2, 3, 4)), generator("y").standard_normal(4)
    f = bp.vmap(lambda a, b: bp.tanh(a) * b, in_axes=(1, None), out_axes=-1)
    expected = np.moveaxis(np.stack([np.tanh(x[:, i]) * y for i in range(3)]), 0, -1)
    close(f(x, y), expected)
    nested = bp.vmap(bp.vmap(lambda a, b: bp.sum(a * b), (0, None)), (0, None))
    close(nested(x, y), (x * y).sum(-1))
    tree = bp.vmap(lambda p: p["a"] * p["b"], in_axes=({"a": 0, "b": None},))
    close(tree({"a": x, "b": x[0]}), x * x[0])


def test_results_that_do_not_depend_on_the_axis_are_repeated():
    constant, same = bp.vmap(lambda x, y: (1.5, y + 0.0), in_axes=(0, None))(np.zeros(3), np.array([1.0, 2.0]))
    assert constant.tolist() == [1.5, 1.5, 1.5]
    assert same.tolist() == [[1.0, 2.0]] * 3


def test_elements_draw_for_themselves():
    """What is drawn outside is one for all."""

    def f(x):
        outside = bp.dropout(bp.ones(40), 0.5, stream=1)
        both = bp.vmap(lambda y: (bp.dropout(y, 0.5, stream=2), y * outside))
        return both(x)

    own, shared = bp.compile(f, training=True, seed=3)(np.ones((5, 40), np.float32))
    assert len({row.tobytes() for row in own}) == 5
    assert len({row.tobytes() for row in shared}) == 1


@pytest.mark.parametrize("batch", [1, 5])
def test_gradients_of_examples_equal_the_loop(batch):
    rng = generator("examples")
    w = {"a": rng.standard_normal((4, 6)), "b": rng.standard_normal(6), "c": rng.standard_normal((6, 3))}
    x, y = rng.standard_normal((batch, 4)), rng.standard_normal((batch, 3))

    def loss(w, x, y):
        return bp.sum(bp.square(bp.tanh(x @ w["a"] + w["b"]) @ w["c"] - y))

    got = bp.vmap(bp.grad(loss), in_axes=(None, 0, 0))(w, x, y)
    for i in range(batch):
        expected = bp.grad(loss)(w, x[i], y[i])
        for name in w:
            close(got[name][i], expected[name])


def test_what_cannot_be_mapped_says_so():
    with pytest.raises(ValueError, match="in_axes names axis 2 of an array of shape"):
        bp.vmap(bp.tanh, in_axes=2)(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="the axes have sizes 2 and 3"):
        bp.vmap(lambda a, b: a + b)(np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError, match="in_axes has 1 entries, the call 2"):
        bp.vmap(lambda a, b: a + b, in_axes=(0,))(np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError, match="needs an array to map over"):
        bp.vmap(lambda a: a, in_axes=None)(np.zeros(2))
    with pytest.raises(TypeError, match="in_axes must be an integer"):
        bp.vmap(bp.tanh, in_axes="rows")
