"""Targets that a loss is not defined for are refused before a step, by every way in; the first row is named."""

import numpy as np
import pytest

import backpass as bp

X = np.ones((4, 2), np.float32)
CASES = {
    "classes 1 and 2": (bp.BinaryCrossEntropy(), 1, [1, 1, 2, 2], r"\[y\] BinaryCrossEntropy takes .* got 2 in row 2"),
    "classes -1 and 1": (bp.BinaryCrossEntropy(), 1, [0, -1, 1, 1], r"got -1 in row 1; .*\(y \+ 1\) / 2"),
    "negative counts": (bp.Poisson(), 1, [0, 3, 2, -1], r"\[y\] Poisson takes counts.* got -1 in row 3"),
    "negative probabilities": (
        bp.CrossEntropy(), 2, [[1, 0], [1.5, -0.5], [0, 1], [1, 0]],
        r"\[y\] CrossEntropy takes rows of probabilities, got -0.5 in row 1"),
    "several classes": (
        bp.CrossEntropy(), 2, [[1, 0], [0, 1], [1, 1], [1, 0]], r"got a sum of 2 in row 2; divide.*BinaryCrossEntropy"),
    "no class": (bp.Focal(), 2, [[0, 0], [0, 1], [1, 1], [1, 0]], r"\[y\] Focal .* got a sum of 0 in row 0"),
}  # fmt: skip
DTYPES = ("float16", "float32", "float64", "int8", "int64")


def network(outputs):
    return bp.Sequential(bp.Dense(outputs), input_shape=2, seed=1)


def as_type(y, dtype):
    y = np.array(y, np.float64)
    return y.astype(dtype) if (y == y.astype(dtype)).all() else y


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


@pytest.mark.parametrize("dtype", DTYPES)
def test_by_every_way_in(case, dtype):
    loss, outputs, y, match = case
    y = as_type(y, dtype)
    model, good = network(outputs), np.eye(2)[[0, 1, 0, 1]] if outputs == 2 else np.array([0, 1, 0, 1])
    trainer = bp.Trainer(model, loss, bp.SGD(0.1))
    settings = {"loss": loss, "optimizer": bp.SGD(0.1), "epochs": 1, "progress": False}
    before = model.flat_parameters.copy()
    ways = [
        lambda: loss.value_and_grad(np.ones((4, outputs)), y),
        lambda: trainer.step(X, y),
        lambda: model.evaluate(X, y, loss=loss),
        lambda: model.fit(X, y, **settings),
        lambda: model.fit(X, good, validation_data=(X, y), **settings),
        lambda: model.fit(bp.Stream(lambda: iter([(X, good), (X, y)])), batch_size=4, **settings),
    ]
    for at, way in enumerate(ways):
        with pytest.raises(ValueError, match=match):
            way()
        if at < 4:
            np.testing.assert_array_equal(model.flat_parameters, before)


def test_rows_of_weight_0_may_hold_anything():
    weight = np.array([1.0, 1, 0, 1])
    for y in ([0, 1, 7, 1], [0, 1, -1, 1]):
        value, grad = bp.BinaryCrossEntropy().value_and_grad(np.ones((4, 1)), np.array(y, float), weight)
        expected, expected_grad = bp.BinaryCrossEntropy().value_and_grad(
            np.ones((4, 1)), np.array([0, 1, 0, 1]), weight
        )
        assert value == expected
        np.testing.assert_array_equal(grad, expected_grad)


def test_what_is_rounded_passes():
    rng = np.random.default_rng(5)
    for classes in (2, 10, 1000):
        rows = rng.dirichlet(np.ones(classes), 50)
        for dtype in ("float16", "float32", "float64"):
            bp.CrossEntropy().value_and_grad(rng.standard_normal((50, classes)), rows.astype(dtype))
    bp.CrossEntropy().value_and_grad(np.zeros((1, 3)), np.array([[0.333, 0.333, 0.333]]))
    bp.BinaryCrossEntropy().value_and_grad(np.zeros((3, 1)), np.array([0.0, 0.5, 1.0]))
    bp.Poisson().value_and_grad(np.zeros((2, 1)), np.array([0.0, 1.5]))


def test_rows_with_gaps_and_backwards():
    y = np.zeros((8, 6))
    y[:, 2] = 1
    bp.CrossEntropy().value_and_grad(np.zeros((4, 3)), y[::-2, ::2])
    y[1, 2] = 3
    with pytest.raises(ValueError, match="got a sum of 3 in row 3"):
        bp.CrossEntropy().value_and_grad(np.zeros((4, 3)), y[::-2, 1::2] + y[::-2, ::2])


def test_what_is_not_finite_is_another_question():
    model, y = network(1), np.array([0, np.nan, 1, 1])
    settings = {"loss": bp.BinaryCrossEntropy(), "optimizer": bp.SGD(0.1), "epochs": 1, "progress": False}
    with pytest.raises(ValueError, match="not finite in row 1"):
        model.fit(X, y, **settings)
    with pytest.raises(bp.DivergedError):
        model.fit(X, y, check_finite=False, **settings)
