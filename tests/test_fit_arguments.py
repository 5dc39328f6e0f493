"""What a fit refuses before its first step."""

import numpy as np
import pytest

import backpass as bp
from test_fit import FIT, network, rows


def same(y_true, y_pred):
    return 0.0


# Known before the first epoch.


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"callbacks": bp.EarlyStopping("val_los"), "validation_split": 0.2},
         r"\[EarlyStopping\] monitor must be one of loss, accuracy, val_loss, val_accuracy, learning_rate, got"),
        ({"callbacks": bp.ReduceOnPlateau()}, r"\[ReduceOnPlateau\] monitor 'val_loss' needs validation data"),
        ({"callbacks": bp.BoldDriver(monitor="f1")}, r"\[BoldDriver\] monitor must be one of loss, acc.*, got 'f1'"),
    ],
    ids=["stopping", "plateau", "driver"],
)  # fmt: skip
def test_columns_that_will_not_be_are_refused_before_the_first_step(options, words):
    x, y = rows()
    model, begun = network(), []

    class Begin(bp.Callback):
        def on_fit_begin(self, trainer, logs):
            begun.append(True)

    before = model.flat_parameters.copy()
    callbacks = [Begin(), options.pop("callbacks")]
    with pytest.raises(ValueError, match=words):
        model.fit(x, y, optimizer=bp.SGD(0.1), metrics="accuracy", callbacks=callbacks, **options, **FIT)
    np.testing.assert_array_equal(model.flat_parameters, before)
    assert not begun


@pytest.mark.parametrize("name", ["loss", "learning_rate", "epoch", "val_loss", "same"])
def test_metrics_that_would_overwrite_a_column_are_refused(name):
    x, y = rows()
    other = lambda y_true, y_pred: 1.0  # noqa: E731
    other.__name__ = name
    with pytest.raises(ValueError, match=rf"^\[metrics\] names must differ from those of other columns, got '{name}'"):
        network().fit(x, y, optimizer=bp.SGD(0.1), metrics=[same, other], validation_split=0.2, **FIT)
    if name != "val_loss":
        with pytest.raises(ValueError, match=r"^\[metrics\] names must differ"):
            network().evaluate(x, y, loss=bp.CrossEntropy(), metrics=[same, other])


def test_a_frozen_model_does_not_warn_of_gradients_that_are_zero():
    x, y = rows()
    model = network()
    model.freeze()
    with pytest.warns(bp.UserMistakeWarning, match=r"^\[fit\] all parameters are frozen") as heard:
        assert model.fit(x, y, optimizer=bp.SGD(0.1), **FIT).epochs == 1
    assert len(heard) == 1


# Options that nobody knows, and those of another kind.


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: bp.SGD(0.1, clip_nrom=1), TypeError, r"\[SGD\] has no option 'clip_nrom'; did you mean 'clip_norm'"),
        (lambda: bp.Muon(clip_nrom=1), TypeError, r"\[Muon\] has no option 'clip_nrom'"),
        (lambda: network().fit(*rows(), optimizer=bp.SGD(0.1), augment=3, **FIT), TypeError,
         r"\[fit\] augment must be"),
        (lambda: network().fit(*rows(), optimizer=bp.SGD(0.1), augment=[3], **FIT), TypeError,
         r"\[fit\] augment must be"),
        (lambda: network().fit(*rows(), optimizer=bp.SGD(0.1), loss=bp.CrossEntropy(), progress=1), ValueError,
         r"\[fit\] progress must be True, False or 'auto', got 1"),
        (lambda: bp.find_learning_rate(network(), *rows(), loss=bp.CrossEntropy(), optimizer=bp.SGD(0.1), maximum="3"),
         TypeError, r"\[find_learning_rate\] maximum must be a number, got '3'"),
    ],
    ids=["SGD", "Muon", "augment", "augments", "progress", "maximum"],
)  # fmt: skip
def test_what_is_wrong_is_named(call, error, words):
    with pytest.raises(error, match=f"^{words}"):
        call()
