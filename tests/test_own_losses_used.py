"""Losses of one's own with settings, by inheritance, in files, and what goes wrong."""

import pickle

import numpy as np
import pytest

import backpass as bp
from test_own_losses import FEATURES, OUTPUTS, ROWS, ByNumPy, ByRow, fit, make_model


@pytest.fixture
def model():
    return make_model()


@pytest.fixture
def x(rng):
    return rng.standard_normal((ROWS, FEATURES))


@pytest.fixture
def y(rng):
    return rng.standard_normal((ROWS, OUTPUTS))


class Power(bp.Loss):
    def __init__(self, exponent):
        self.exponent = exponent

    def forward(self, prediction, target):
        return bp.abs(prediction - target) ** self.exponent


# Settings.


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


def raise_error(*result):
    raise LookupError("from the loss")


FAULTS = {
    "an exception": (raise_error, LookupError, "from the loss"),
    "nothing": (lambda value, grad: None, TypeError, "unpack"),
    "a string": (lambda value, grad: ("a", grad), TypeError, "must be a number"),
    "a complex number": (lambda value, grad: (complex(value), grad), TypeError, "must be a number"),
    "nan": (lambda value, grad: (np.nan, grad), bp.DivergedError, "first in the loss"),
}


# What goes wrong.


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


FOREIGN = {
    "input": lambda: bp.input((OUTPUTS,), "float64", name="from_elsewhere"),
    "batch": lambda: bp.input((None, OUTPUTS), "float64", name="from_elsewhere"),
    "parameter": lambda: bp.parameter((OUTPUTS,), "float64", name="from_elsewhere"),
}


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("use", ["fit", "evaluate", "value_and_grad", "objective"])
def test_a_loss_that_reads_what_belongs_to_no_model_is_refused(x, y, kind, use):
    model, foreign = make_model(), FOREIGN[kind]()
    before = model.get_weights()
    options = {"optimizer": "sgd"} if use == "fit" else {}
    with pytest.raises(
        ValueError, match=r'"from_elsewhere" of shape .* it is neither one of its inputs and targets nor'
    ):
        getattr(model, use)(x, y, loss=lambda p, t: bp.mean((p - t) * foreign), **options)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
