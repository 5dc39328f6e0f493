"""Transformations of functions: values, gradients, second derivatives, and how they nest; against JAX."""

import dataclasses
from collections import OrderedDict, defaultdict
from typing import NamedTuple

import numpy as np
import pytest

import backpass as bp
from registry import generator


def close(a, b, rtol=1e-10):
    for p, q in zip(bp.tree.leaves(a), bp.tree.leaves(b), strict=True):
        np.testing.assert_allclose(p, q, rtol=rtol, atol=rtol)


def problem():
    rng = generator("transforms")
    w = {"a": rng.standard_normal((3, 5)), "layers": [rng.standard_normal(5), (rng.standard_normal((5, 2)),)]}
    return w, rng.standard_normal((7, 3)), rng.standard_normal((7, 2))


def loss(np_, w, x, y):
    """In the words of backpass or of jax.numpy."""
    hidden = np_.tanh(x @ w["a"] + w["layers"][0])
    return np_.mean(np_.square(hidden @ w["layers"][1][0] - y))


def ours(w, x, y):
    return loss(bp, w, x, y)


@pytest.fixture(scope="module")
def jax():
    module = pytest.importorskip("jax")
    module.config.update("jax_enable_x64", True)
    return module


@pytest.fixture(scope="module")
def theirs(jax):
    return lambda w, x, y: loss(jax.numpy, w, x, y)


@pytest.mark.row("X3")
@pytest.mark.row("A15")
def test_values_and_gradients_are_those_of_jax(jax, theirs):
    args = problem()
    value, grads = bp.value_and_grad(ours)(*args)
    expected, expected_grads = jax.value_and_grad(theirs)(*args)
    close(value, expected)
    close(grads, expected_grads)
    close(bp.grad(ours, argnums=(0, 2))(*args), jax.grad(theirs, argnums=(0, 2))(*args))
    close(bp.compile(ours)(*args), expected)


@pytest.mark.row("N1")
def test_second_derivatives_are_those_of_jax(jax, theirs):
    w, x, y = problem()
    from jax.flatten_util import ravel_pytree

    flat, unravel = ravel_pytree(w)

    def of_flat(v):
        parts = {"a": bp.reshape(v[:15], (3, 5)), "layers": [v[15:20], (bp.reshape(v[20:], (5, 2)),)]}
        return ours(parts, bp.constant(x, dtype="float64"), bp.constant(y, dtype="float64"))

    expected = jax.hessian(lambda v: theirs(unravel(v), x, y))(flat)
    got = bp.hessian(of_flat)(np.asarray(flat))
    close(got, expected, 1e-8)
    step = 1e-5
    for i in range(0, len(flat), 7):  # central differences of the gradient
        e = np.zeros(len(flat))
        e[i] = step
        slope = (bp.grad(of_flat)(np.asarray(flat) + e) - bp.grad(of_flat)(np.asarray(flat) - e)) / (2 * step)
        np.testing.assert_allclose(got[i], slope, rtol=1e-5, atol=1e-6)


@pytest.mark.row("N2")
def test_products_with_hessians(jax, theirs):
    w, x, y = problem()
    v = bp.tree.map(lambda a: np.cos(np.arange(a.size)).reshape(a.shape), w)
    expected = jax.jvp(lambda w: jax.grad(theirs)(w, x, y), (w,), (v,))[1]
    close(bp.hvp(ours)(w, x, y, v), expected, 1e-8)
    x, y = (bp.constant(a, dtype="float64") for a in (x, y))
    close(bp.jvp(bp.grad(lambda w: ours(w, x, y)), [w], [v])[1], expected, 1e-8)


def test_vjp_and_jvp_are_those_of_jax(jax):
    rng = generator("vjp")
    x, v, s = rng.standard_normal((4, 3)), rng.standard_normal((4, 3)), rng.standard_normal(4)
    ours_, theirs_ = (lambda x, n=n: n.sum(n.tanh(x) * x, axis=1) for n in (bp, jax.numpy))
    value, pull = bp.vjp(ours_, x)
    expected, pull_ = jax.vjp(theirs_, x)
    close(value, expected)
    close(pull(s), pull_(s))
    close(bp.jvp(ours_, [x], [v]), jax.jvp(theirs_, [x], [v]))


@pytest.mark.parametrize("shape", [(2, 3), (5, 3), (3, 3)])
def test_jacobians_of_either_mode(jax, shape):
    w, x = generator("jacobian").standard_normal(shape), generator("x").standard_normal(shape[1])
    close(bp.jacobian(lambda x: bp.tanh(bp.constant(w, dtype="float64") @ x))(x),
          jax.jacobian(lambda x: jax.numpy.tanh(w @ x))(x))  # fmt: skip
    both = bp.jacobian(lambda p: {"y": bp.tanh(p["w"] @ p["x"]), "z": p["x"] * 2.0})({"w": w, "x": x})
    theirs_ = jax.jacobian(lambda p: {"y": jax.numpy.tanh(p["w"] @ p["x"]), "z": p["x"] * 2.0})({"w": w, "x": x})
    assert both["y"]["w"].shape == (shape[0], *shape)
    for y in "yz":
        for p in "wx":
            close(both[y][p], theirs_[y][p])


def test_they_nest():
    x = np.array([0.3, -0.7])
    assert bp.grad(bp.grad(bp.grad(lambda x: x**4)))(2.0) == 48
    cube = bp.vmap(bp.grad(lambda y: y**3))
    np.testing.assert_allclose(bp.grad(lambda x: bp.sum(cube(x)))(x), 6 * x)
    np.testing.assert_allclose(bp.jacobian(bp.grad(lambda x: bp.sum(x**3)))(x), np.diag(6 * x))
    np.testing.assert_allclose(bp.compile(bp.vmap(bp.hessian(lambda y: bp.sum(y**3))))(x[:, None])[:, 0, 0], 6 * x)
    inner = bp.compile(lambda x: bp.sum(x * x))
    np.testing.assert_allclose(bp.grad(lambda x: inner(x) * inner(x))(x), 4 * x * (x @ x))


def test_a_closure_over_the_argument_is_another_value():
    """d/dx (x d/dy (x y) at y = x) = d/dx (x x) = 2 x."""
    outer = bp.grad(lambda x: x * bp.grad(lambda y: x * y)(x))
    assert outer(3.0) == 6
    assert bp.grad(lambda x: bp.grad(lambda y: y * y)(x) * x)(3.0) == 12


class Pair(NamedTuple):
    first: object
    second: object


@dataclasses.dataclass
class Point:
    x: object
    y: object


def test_trees_go_in_and_come_out():
    p = Pair(Point(np.array(2.0), np.array(3.0)), [None, (np.array(4.0),)])
    grads = bp.grad(lambda p: p.first.x * p.first.y * p.second[1][0])(p)
    assert isinstance(grads, Pair)
    assert isinstance(grads.first, Point)
    assert (grads.first.x, grads.first.y, grads.second) == (12, 8, [None, (6,)])
    (value, aux), slope = bp.value_and_grad(lambda x: (x * x, {"twice": 2 * x, "name": 7}), has_aux=True)(3.0)
    assert (value, aux, slope) == (9, {"twice": 6, "name": 7}, 6)


def test_other_kinds_of_dicts_go_in_and_plain_ones_come_out():
    model = bp.Sequential(bp.Dense(2), input_shape=3, dtype="float64", seed=0)
    f, parameters = model.functional()

    def loss(p, x):
        return bp.sum(bp.square(f(p, x)))

    slope, x = bp.grad(loss), np.ones((4, 3))
    for given in (model.parameters(), OrderedDict(parameters), defaultdict(int, parameters)):
        gradients = slope(given, x)
        assert type(gradients) is dict
        np.testing.assert_array_equal(gradients["0.weight"], slope(parameters, x)["0.weight"])
        assert bp.tree.structure(given) == bp.tree.structure(gradients)
    assert type(bp.tree.map(lambda w: 2 * w, model.parameters())) is dict


def test_checkpoints_change_no_gradient():
    w, x, y = problem()
    block = bp.checkpoint(lambda w, x: (bp.tanh(x @ w["a"] + w["layers"][0]), bp.sum(w["a"])))

    def with_block(w, x, y):
        hidden, total = block(w, x)
        return bp.mean(bp.square(hidden @ w["layers"][1][0] - y)) + 0.0 * total

    close(bp.grad(with_block)(w, x, y), bp.grad(ours)(w, x, y), 1e-14)
    names = [call.name for call in bp.grad(with_block).plan(w, x, y).calls]
    assert names.count("matmul") == 1 + [call.name for call in bp.grad(ours).plan(w, x, y).calls].count("matmul")
    close(bp.hvp(with_block)(w, x, y, w), bp.hvp(ours)(w, x, y, w), 1e-12)


def test_gradients_of_ones_own():
    @bp.custom_gradient
    def log1pexp(x):
        e = bp.exp(x)
        return bp.log(1.0 + e), lambda g: g * (1.0 - 1.0 / (1.0 + e))

    assert bp.grad(log1pexp)(np.array(100.0)) == 1  # where the formula's own derivative is nan
    x = np.array([0.5, -1.0])
    s = 1 / (1 + np.exp(-x))
    np.testing.assert_allclose(bp.vmap(bp.grad(log1pexp))(x), s)
    np.testing.assert_allclose(bp.vmap(bp.grad(bp.grad(log1pexp)))(x), s * (1 - s))

    @bp.custom_gradient
    def two(a, b):
        return (a * b, a + b), lambda g: (10.0 * g[0], None)

    assert [g.item() for g in bp.grad(lambda a, b: sum(two(a, b)), (0, 1))(2.0, 3.0)] == [10, 0]
