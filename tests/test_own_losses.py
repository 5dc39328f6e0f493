"""Losses of one's own: composed of operations, or computed by NumPy."""

import pickle

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


# Labels.


class LabelsComposed(bp.Loss):
    takes_labels = True

    def forward(self, prediction, target):
        return bp.log_sum_exp(prediction) - bp.take_label(prediction, target)


class LabelsByNumPy(bp.Loss):
    takes_labels = True

    def value_and_grad(self, prediction, target, sample_weight=None):
        assert target.dtype.kind == "i"
        return reference.cross_entropy(prediction, target, sample_weight)


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


# Settings.


class Power(bp.Loss):
    def __init__(self, exponent):
        self.exponent = exponent

    def forward(self, prediction, target):
        return bp.abs(prediction - target) ** self.exponent


@pytest.mark.row("L7")
def test_a_loss_with_a_setting(model, x, y):
    assert bp.gradcheck(model, Power(3), x, y) < 1e-6
    errors = model.predict(x) - y
    for exponent in (1.5, 2, 3):
        value = model.evaluate(x, y, loss=Power(exponent))["loss"]
        assert value == pytest.approx((np.abs(errors) ** exponent).mean(), rel=1e-13)
    assert Power(3) == pickle.loads(pickle.dumps(Power(3))) != Power(2)
    assert hash(Power(3)) == hash(Power(3))
    assert repr(Power(3)) == "Power(exponent=3)"


class Twice(bp.MSE):
    """One of ours, changed."""

    def forward(self, prediction, target):
        return 2 * bp.square(prediction - target)


def test_a_subclass_of_ours_is_what_it_overrides(model, x, y):
    value = model.evaluate(x, y, loss=bp.MSE())["loss"]
    assert model.evaluate(x, y, loss=Twice())["loss"] == pytest.approx(2 * value, rel=1e-14)
    assert model.evaluate(x, y, loss=type("Renamed", (bp.MSE,), {})())["loss"] == value


def test_a_model_is_saved_without_its_loss(model, x, y, tmp_path):
    fit(model, x, y, ByNumPy())
    model.save(tmp_path / "model.safetensors")
    other = bp.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(other.predict(x), model.predict(x))
    assert other.evaluate(x, y, loss=ByRow())["loss"] == pytest.approx(model.evaluate(x, y)["loss"], rel=1e-14)


# What goes wrong.


def raise_error(*result):
    raise LookupError("from the loss")


FAULTS = {
    "an exception": (raise_error, LookupError, "from the loss"),
    "nothing": (lambda value, grad: None, TypeError, "unpack"),
    "a string": (lambda value, grad: ("a", grad), TypeError, "must be a number"),
    "a complex number": (lambda value, grad: (complex(value), grad), TypeError, "must be a number"),
    "nan": (lambda value, grad: (np.nan, grad), bp.DivergedError, "first in the loss"),
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_loss_that_fails_changes_nothing(model, x, y, fault, threads):
    broken, (loss_fault, error, message) = ByNumPy(), FAULTS[fault]
    broken.__dict__["_fault"] = loss_fault
    before = model.flat_parameters.copy()
    with pytest.raises(error, match=message):
        fit(model, x, y, broken, threads=threads)
    np.testing.assert_array_equal(model.flat_parameters, before)
    assert fit(model, x, y, ByNumPy()) == fit(make_model(), x, y, ByNumPy())


@pytest.mark.parametrize(
    ("loss", "error", "message"),
    [
        (ByRow, TypeError, r"got a class: write ByRow\(\)"),
        (type("Empty", (bp.Loss,), {})(), NotImplementedError, r"\[Empty\] a loss of your own needs forward or value"),
        (lambda prediction, target: 3.0, TypeError, "must give a tensor, got float"),
        (lambda prediction, target: 1 / 0, ZeroDivisionError, "division by zero"),
        (lambda prediction, target: prediction - bp.constant(1.0, (2,), prediction.dtype), ValueError, "shape"),
        (0.1, TypeError, r"loss must be a loss such as MSE\(\), got 0.1"),
    ],
    ids=["class", "empty", "number", "exception", "wrong operation", "a number"],
)
def test_what_is_no_loss_is_refused(model, x, y, loss, error, message):
    before = model.flat_parameters.copy()
    for call in (
        lambda: fit(model, x, y, loss),
        lambda: model.evaluate(x, y, loss=loss),
        lambda: model.value_and_grad(x, y, loss),
        lambda: bp.Trainer(model, loss, bp.SGD(0.1)).step(x, y),
    ):
        with pytest.raises(error, match=message):
            call()
    np.testing.assert_array_equal(model.flat_parameters, before)
