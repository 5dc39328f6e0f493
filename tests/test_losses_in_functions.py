"""Losses called in functions that are transformed."""

import numpy as np
import pytest

import backpass as bp
from registry import generator

ROWS = 6
LOSSES = [
    bp.MSE(),
    bp.HalfMSE(),
    bp.MAE(),
    bp.Huber(0.5),
    bp.LogCosh(),
    bp.Quantile(0.3),
    bp.Poisson(),
    bp.BinaryCrossEntropy(),
    bp.CrossEntropy(),
    bp.CrossEntropy(label_smoothing=0.1),
    bp.Focal(),
]


class Cubes(bp.Loss):
    def forward(self, prediction, target):
        return bp.abs(prediction - target) ** 3


def network_and_data():
    rng = generator("losses in functions")
    net = bp.Sequential(bp.Dense(4, activation="tanh"), bp.Dense(3), input_shape=2, dtype="float64", seed=0)
    y = rng.random((ROWS, 3))
    weight = np.array([1.0, 0.0, 2.0, 0.5, 1.0, 3.0])
    return net, rng.standard_normal((ROWS, 2)), y / y.sum(axis=1, keepdims=True), weight


def assert_same(loss, y, weight=None, captured=False):
    net, x, _, _ = network_and_data()
    f, p = net.functional()
    if captured:
        value, grads = bp.value_and_grad(lambda p, x: loss(f(p, x), y, weight))(p, x)
    elif weight is None:
        value, grads = bp.value_and_grad(lambda p, x, y: loss(f(p, x), y))(p, x, y)
    else:
        value, grads = bp.value_and_grad(lambda p, x, y, w: loss(f(p, x), y, w))(p, x, y, weight)
    expected = net.value_and_grad(x, y, loss=loss, sample_weight=weight)[0]
    assert value == pytest.approx(expected, rel=1e-12)
    by_name = net.gradients()
    for name in p:
        np.testing.assert_allclose(grads[name], by_name[name], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("captured", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", [*LOSSES, Cubes()], ids=repr)
def test_values_and_gradients_are_the_networks(loss, weighted, captured):
    _, _, y, weight = network_and_data()
    assert_same(loss, y, weight if weighted else None, captured)


@pytest.mark.parametrize("captured", [False, True])
@pytest.mark.parametrize("loss", [bp.CrossEntropy(), bp.Focal(), bp.CrossEntropy(ignore_index=1)], ids=repr)
def test_labels(loss, captured):
    labels = np.array([0, 2, 1, 1, 0, 2])
    assert_same(loss, labels, captured=captured)


def test_gradients_of_examples():
    net, x, y, _ = network_and_data()
    f, p = net.functional()
    loss = bp.grad(lambda p, x, y: bp.MSE()(f(p, x), y))
    each = bp.vmap(loss, in_axes=(None, 0, 0))(p, x[:, None], y[:, None])
    for name, grad in loss(p, x, y).items():
        np.testing.assert_allclose(each[name].mean(axis=0), grad, rtol=1e-12, atol=1e-14)


def test_what_does_not_fit_is_refused():
    _, _, y, weight = network_and_data()
    with pytest.raises(ValueError, match=r"\[y\] expected shape \(6, 3\), got \(6, 2\)"):
        bp.grad(lambda p: bp.MSE()(p, y[:, :2]))(y)
    with pytest.raises(ValueError, match="sample_weight"):
        bp.grad(lambda p: bp.MSE()(p, y, weight[:2]))(y)
    with pytest.raises(TypeError, match="int32"):
        bp.grad(lambda p, t: bp.MSE()(p, t))(y, np.ones(y.shape, int))
    with pytest.raises(TypeError, match="prediction comes first"):
        bp.grad(lambda p: bp.MSE()(y, p))(y)


class Deviations(bp.Loss):
    """Written in NumPy."""

    def value_and_grad(self, prediction, target):
        apart = prediction - target
        return np.mean(np.abs(apart)), np.sign(apart) / apart.size


def test_of_means_and_variances():
    _, _, y, _ = network_and_data()
    loss, wide = bp.GaussianNLL(), np.concatenate([0.5 * y, 0.5 + y], axis=1)

    def by_hand(t):
        mean, variance = t[:, :3], t[:, 3:]
        return bp.mean(bp.log(variance) + bp.square(mean - y) / variance) / 2

    got, expected = (bp.value_and_grad(f)(wide) for f in (lambda t: loss(t, y), by_hand))
    np.testing.assert_allclose(got[0], expected[0], rtol=1e-12)
    np.testing.assert_allclose(got[1], expected[1], rtol=1e-12)
    each = bp.vmap(bp.grad(lambda t, y: loss(t, y)))(wide[:, None], y[:, None])
    np.testing.assert_allclose(each[:, 0] / ROWS, got[1], rtol=1e-12)


def test_numpy_losses():
    loss, (_, _, y, _) = Deviations(), network_and_data()
    value, grad = bp.value_and_grad(lambda t: loss(t, y))(2 * y + 0.1)
    np.testing.assert_allclose(value, np.mean(y + 0.1), rtol=1e-12)
    np.testing.assert_allclose(grad, np.full(y.shape, 1 / y.size), rtol=1e-12)
    with pytest.raises(ValueError, match="is computed by the host program, for one element at a time"):
        bp.vmap(lambda t: loss(t, y))(np.stack([y, y]))


def test_added_terms_are_part_of_models_alone():
    """A function that adds a term gives what it gives without, mapped too."""

    def f(x):
        return bp.sum(bp.add_loss(bp.square(x), bp.sum(x)))

    x = np.array([1.0, 2.0, 3.0])
    assert float(bp.compile(f)(x)) == 14.0
    np.testing.assert_array_equal(bp.grad(f)(x), 2 * x)
    np.testing.assert_array_equal(bp.vmap(bp.grad(f))(np.stack([x, -x])), [2 * x, -2 * x])
