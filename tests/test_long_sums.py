"""Sums over a million rows in float32: the loss, and the gradients of weights and biases."""

import numpy as np
import pytest

import backpass as bp
import reference
from registry import ALL_LOSSES, ISAS, by_name, generator, using_isa

pytestmark = pytest.mark.row("S9")

ROWS, LIMIT = 10**6, 1e-6


def values(kind, columns):
    """Positive ones alone, or the same everywhere: the worst cases for a sum that is carried in float32."""
    rng = generator("long sums", columns)
    drawn = {"random": rng.uniform(0, 1, (ROWS, columns)), "equal": np.full((ROWS, columns), 0.1)}
    return drawn[kind].astype(np.float32)


def worst(ours, exact):
    return np.abs(np.asarray(ours, np.float64) / exact - 1).max()


def test_a_plain_sum_in_32_lanes_would_fail_here():
    x = values("equal", 1)
    lanes = np.zeros(32, np.float32)
    for row in x.reshape(-1, 32):
        lanes += row
    assert worst(lanes.sum(), x.sum(dtype=np.float64)) > 3 * LIMIT


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("case", **by_name(ALL_LOSSES))
def test_means_over_rows(case, isa):
    rng = generator(case.name)
    prediction = case.adapt(rng.uniform(0, 1, (ROWS, 2))).astype(np.float32)
    target = case.target(rng, ROWS, 2 // case.columns)
    with using_isa(isa):
        value, grad = case.make().value_and_grad(prediction, target)
    target = target if case.takes_labels else target.astype(np.float32)
    expected, expected_grad = case.value_and_grad(prediction.astype(np.float64), target)
    assert value == pytest.approx(expected, rel=LIMIT)
    assert reference.relative_error(grad, expected_grad) < LIMIT


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("case", **by_name(ALL_LOSSES))
def test_means_over_equal_rows(case, isa):
    """The mean is the loss of one row."""
    prediction = case.adapt(np.full((1, 2), 0.3)).astype(np.float32)
    target = case.target(generator(case.name), 1, 2 // case.columns)
    target = target if case.takes_labels else target.astype(np.float32)
    with using_isa(isa):
        value, _ = case.make().value_and_grad(prediction.repeat(ROWS, axis=0), target.repeat(ROWS, axis=0))
    assert value == pytest.approx(case.value_and_grad(prediction.astype(np.float64), target)[0], rel=LIMIT)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kind", ["random", "equal"])
@pytest.mark.parametrize(("features", "units"), [(1, 1), (3, 1), (1, 3), (3, 4), (20, 10)])
def test_gradients_by_hand(isa, kind, features, units):
    x, grad = values(kind, features), values(kind, units)
    with using_isa(isa):
        model = bp.Sequential(bp.Dense(units), input_shape=(features,), seed=1)
        model.forward(x)
        model.backward(grad)
    exact = grad.astype(np.float64)
    assert worst(model.gradients()["0.weight"], exact.T @ x) < LIMIT
    assert worst(model.gradients()["0.bias"], exact.sum(axis=0)) < LIMIT


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kind", ["random", "equal"])
def test_the_loss_and_the_gradients_of_a_step(isa, kind):
    """All errors positive, so that nothing cancels."""
    x, y = values(kind, 3), -values(kind, 2)
    with using_isa(isa):
        model = bp.Sequential(
            bp.Dense(2, weight_init=lambda shape, rng: rng.uniform(0.1, 1, shape)), input_shape=3, seed=0
        )
        loss, grads = model.value_and_grad(x, y, bp.MSE())
    weights = [value.astype(np.float64) for value in model.parameters().values()]
    expected, grad = reference.mse(reference.dense_forward(x.astype(np.float64), *weights), y.astype(np.float64))
    assert loss == pytest.approx(expected, rel=LIMIT)
    assert worst(grads["0.weight"], grad.T @ x) < LIMIT
    assert worst(grads["0.bias"], grad.sum(axis=0)) < LIMIT
