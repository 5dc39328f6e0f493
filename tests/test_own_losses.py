"""Losses of one's own: composed of operations, or computed by NumPy."""

import numpy as np
import pytest

import backpass as bp
import reference
from registry import DTYPES, generator

ROWS, FEATURES, OUTPUTS = 7, 4, 3


def squares(prediction, target):
    """One number per element: the mean is taken."""
    return bp.square(prediction - target)


def one_number(prediction, target):
    return bp.mean(bp.square(prediction - target))


class ByRow(bp.Loss):
    def forward(self, prediction, target):
        return bp.mean(bp.square(prediction - target), 1)


class OneNumber(bp.Loss):
    def forward(self, prediction, target):
        return one_number(prediction, target)


class ByNumPy(bp.Loss):
    """`fault` breaks what it gives."""

    _fault = None

    def value_and_grad(self, prediction, target, sample_weight=None):
        value, grad = reference.mse(prediction, target, sample_weight)
        return (value, grad) if self._fault is None else self._fault(value, grad)


class Duck:
    """No subclass of ours."""

    def value_and_grad(self, prediction, target, sample_weight=None):
        return reference.mse(prediction, target, sample_weight)


# All of them the mean squared error.
WRITTEN = {
    "function": squares,
    "function of one number": one_number,
    "class by rows": ByRow(),
    "class of one number": OneNumber(),
    "class by NumPy": ByNumPy(),
    "any object": Duck(),
}
OF_ONE_NUMBER = ("function of one number", "class of one number")
BY_NUMPY = ("class by NumPy", "any object")


def make_model(dtype="float64"):
    layers = [bp.Dense(5, activation="tanh"), bp.Dense(OUTPUTS)]
    return bp.Sequential(*layers, input_shape=FEATURES, seed=1, dtype=dtype)


@pytest.fixture
def model():
    return make_model()


@pytest.fixture
def x(rng):
    return rng.standard_normal((ROWS, FEATURES))


@pytest.fixture
def y(rng):
    return rng.standard_normal((ROWS, OUTPUTS))


def fit(model, x, y, loss, **options):
    settings = {"optimizer": bp.SGD(0.1), "batch_size": 3, "seed": 3, "progress": False}
    return model.fit(x, y, loss=loss, **{**settings, **options})


@pytest.mark.row("L7")
@pytest.mark.row("C2")
@pytest.mark.parametrize("written", WRITTEN)
def test_gradcheck_passes(model, x, y, written):
    assert bp.gradcheck(model, WRITTEN[written], x, y) < 1e-6


@pytest.mark.row("L7")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("written", WRITTEN)
def test_value_and_gradients_are_those_of_mse(x, y, written, dtype):
    model, limit = make_model(dtype), 1e-6 if dtype == "float32" else 1e-14
    weights = [None] if written in OF_ONE_NUMBER else [None, generator("weight").uniform(0.5, 2, ROWS)]
    for weight in weights:
        value, grads = model.value_and_grad(x, y, WRITTEN[written], weight)
        expected, expected_grads = model.value_and_grad(x, y, bp.MSE(), weight)
        assert value == pytest.approx(expected, rel=limit)
        for name, grad in grads.items():
            np.testing.assert_allclose(grad, expected_grads[name], rtol=0, atol=limit)
        result = model.evaluate(x, y, loss=WRITTEN[written], sample_weight=weight)
        assert result["loss"] == pytest.approx(expected, rel=limit)


@pytest.mark.row("L7")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("written", WRITTEN)
def test_training_is_that_of_mse(x, y, written, threads):
    models = make_model(), make_model()
    data = {"epochs": 20, "threads": threads, "validation_data": (x, y), "metrics": "mae"}
    histories = [fit(m, x, y, loss, **data) for m, loss in zip(models, (WRITTEN[written], bp.MSE()), strict=True)]
    for column, values in histories[0].items():
        np.testing.assert_allclose(values, histories[1][column], rtol=1e-12)
    np.testing.assert_allclose(models[0].flat_parameters, models[1].flat_parameters, rtol=0, atol=1e-12)
    assert histories[0]["loss"][-1] < histories[0]["loss"][0]


@pytest.mark.parametrize("written", OF_ONE_NUMBER)
def test_one_number_for_all_rows_cannot_be_weighted(model, x, y, written):
    before = model.flat_parameters.copy()
    with pytest.raises(ValueError, match="gives one number: to take sample_weight it must give one per row"):
        fit(model, x, y, WRITTEN[written], sample_weight=np.ones(ROWS))
    np.testing.assert_array_equal(model.flat_parameters, before)


@pytest.mark.parametrize("written", WRITTEN)
def test_backprop_shows_the_deltas(model, x, y, written):
    ours, expected = model.backprop(x, y, WRITTEN[written]), model.backprop(x, y, bp.MSE())
    for layer, other in zip(ours, expected, strict=True):
        np.testing.assert_allclose(layer["delta"], other["delta"], rtol=0, atol=1e-15)


@pytest.mark.parametrize("written", [written for written in WRITTEN if written not in BY_NUMPY])
def test_composed_losses_have_second_derivatives(model, x, y, written):
    vector = generator("vector").standard_normal(model.n_parameters)
    product = bp.hvp(model, WRITTEN[written], x, y, vector)
    np.testing.assert_allclose(product, bp.hvp(model, bp.MSE(), x, y, vector), rtol=0, atol=1e-13)


@pytest.mark.parametrize("written", BY_NUMPY)
def test_losses_by_numpy_have_none(model, x, y, written):
    with pytest.raises(ValueError, match="has no derivative"):
        bp.hvp(model, WRITTEN[written], x, y, np.ones(model.n_parameters))


@pytest.mark.parametrize("written", ["class by rows", "class of one number", "class by NumPy"])
def test_a_loss_can_be_asked_alone(y, rng, written):
    prediction = rng.standard_normal((ROWS, OUTPUTS))
    value, grad = WRITTEN[written].value_and_grad(prediction, y)
    expected, expected_grad = reference.mse(prediction, y)
    assert value == pytest.approx(expected, rel=1e-14)
    np.testing.assert_allclose(grad, expected_grad, rtol=0, atol=1e-15)


def test_several_outputs_mix_all_kinds(rng):
    """One composed, one by NumPy, one of ours."""
    x = bp.Input(FEATURES, dtype="float64")
    hidden = bp.Dense(5, activation="tanh")(x)
    model = bp.Network(x, [bp.Dense(2)(hidden) for _ in range(3)], seed=1)
    rows, y = rng.standard_normal((ROWS, FEATURES)), list(rng.standard_normal((3, ROWS, 2)))
    losses = [squares, ByNumPy(), bp.MSE()]
    assert bp.gradcheck(model, losses, rows, y) < 1e-6
    value, _ = model.value_and_grad(rows, y, losses)
    assert value == pytest.approx(model.value_and_grad(rows, y, bp.MSE())[0], rel=1e-14)


class LabelsComposed(bp.Loss):
    takes_labels = True

    def forward(self, prediction, target):
        return bp.log_sum_exp(prediction) - bp.take_label(prediction, target)


class LabelsByNumPy(bp.Loss):
    takes_labels = True

    def value_and_grad(self, prediction, target, sample_weight=None):
        assert target.dtype.kind == "i"
        return reference.cross_entropy(prediction, target, sample_weight)


# Labels.


@pytest.mark.row("L3")
@pytest.mark.row("L7")
@pytest.mark.parametrize("loss", [LabelsComposed(), LabelsByNumPy()], ids=["composed", "by NumPy"])
def test_losses_may_take_labels(model, x, rng, loss):
    labels, weight = rng.integers(0, OUTPUTS, ROWS), rng.uniform(0.5, 2, ROWS)
    assert bp.gradcheck(model, loss, x, labels) < 1e-6
    for weights in (None, weight):
        value, grads = model.value_and_grad(x, labels, loss, weights)
        expected, expected_grads = model.value_and_grad(x, labels, bp.CrossEntropy(), weights)
        assert value == pytest.approx(expected, rel=1e-14)
        for name, grad in grads.items():
            np.testing.assert_allclose(grad, expected_grads[name], rtol=0, atol=1e-15)
    with pytest.raises(ValueError, match=r"labels must be in \[0, 3\)"):
        model.value_and_grad(x, labels + 3, loss)


def test_labels_are_refused_where_they_are_not_asked_for(model, x, rng):
    with pytest.raises(ValueError, match=r"\[y\] expected shape \(7, 3\), got \(7,\)"):
        model.evaluate(x, rng.integers(0, OUTPUTS, ROWS), loss=ByRow())
