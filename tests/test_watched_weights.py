"""Whose weights a column tells of; what negative values and nan do to those that keep a best."""

import math

import numpy as np
import pytest

import backpass as bp
from registry import generator
from test_watchers import Record, fit_with_metric, linear, rows


def quadratic():
    """w from 1 with the loss (w - 3)^2: 4 at first, and every step of rate 1.5 makes it four times as much."""
    model = bp.Sequential(bp.Dense(1, bias=False, weight_init="ones"), input_shape=1, dtype="float64")
    fit = {"loss": bp.MSE(), "optimizer": bp.SGD(1.5), "epochs": 9, "progress": False}
    return model, ([[1.0]], [[3.0]]), fit


def test_early_stopping_goes_back_to_the_weights_that_it_judged():
    model, data, fit = quadratic()
    stopping = bp.EarlyStopping("loss", patience=2)
    model.fit(*data, callbacks=stopping, **fit)
    assert stopping.best == 4.0
    assert model.evaluate(*data)["loss"] == 4.0


def test_of_a_validation_column_it_is_the_end_of_the_epoch():
    model, data, fit = quadratic()
    record, stopping = Record(), bp.EarlyStopping("val_loss", patience=2)
    model.fit(*data, callbacks=[record, stopping], validation_data=data, **fit)
    assert stopping.best == model.evaluate(*data)["loss"] == 16.0
    np.testing.assert_array_equal(model.flat_parameters, record.weights[0])


def test_with_lbfgs_every_column_tells_of_the_end():
    model, (x, y) = linear(), rows(40)
    stopping = bp.EarlyStopping("loss", patience=3)
    model.fit(x, y, loss=bp.MSE(), optimizer=bp.LBFGS(), epochs=4, callbacks=stopping, progress=False)
    assert model.evaluate(x, y)["loss"] == pytest.approx(stopping.best, rel=1e-12)


@pytest.mark.parametrize("column", ["loss", "val_loss"])
def test_a_checkpoint_keeps_the_weights_that_the_best_value_belongs_to(column, tmp_path):
    model, data, fit = quadratic()
    kept = bp.Checkpoint(tmp_path / "fit.safetensors", keep_best=column)
    model.fit(*data, callbacks=kept, validation_data=data, **fit)
    assert bp.load(kept.best_path).evaluate(*data, loss=bp.MSE())["loss"] == kept.best
    assert kept.best == (4.0 if column == "loss" else 16.0)
    assert model.evaluate(*data)["loss"] == 4.0 ** (9 + 1)  # which goes on as it would have


def test_a_best_is_never_nan(tmp_path):
    kept = bp.Checkpoint(tmp_path / "fit.safetensors", keep_best="score")
    fit_with_metric([math.nan, 3.0, math.nan, 2.0], kept)
    assert kept.best == 2.0
    kept.load_state({"best": math.nan})
    assert kept.best is None
    stopping = bp.EarlyStopping("score", patience=9)
    stopping.load_state({"best_epoch": 0, "waited": 0, "weights.steps": 0, "best": math.nan})
    assert stopping.best is None
    driver, record = bp.BoldDriver(monitor="score"), Record()
    fit_with_metric([math.nan, 3.0, 2.0, 9.0], record, driver, optimizer=bp.SGD(0.5))
    assert driver.state()["accepted"] == 2.0
    assert record.rates == [0.5, 0.5, 0.5, 0.525]
    assert bp.History(loss=[3.0, 2.0, 1.0, 0.5], val_loss=[math.nan, 1.0, 2.0, 3.0]).overfits()
    assert not bp.History(loss=[3.0, 2.0], val_loss=[math.nan, math.nan]).overfits()


@pytest.mark.parametrize(("mode", "sign"), [("min", 1), ("min", -1), ("max", 1), ("max", -1)])
def test_relative_plateaus_are_a_part_of_the_size(mode, sign):
    """Better is by a tenth of the best value's size, whatever its sign."""
    best = 100.0 * sign
    way = -1 if mode == "min" else 1
    for change, improves in ((9.0, False), (11.0, True)):
        plateau = bp.ReduceOnPlateau("score", mode=mode, threshold=0.1, patience=0)
        record = Record()
        fit_with_metric([best, best + way * change], record, plateau, optimizer=bp.SGD(1e-3))
        assert plateau.state()["bad_epochs"] == 0
        assert plateau.state()["best"] == (best + way * change if improves else best)


def test_overfitting_with_negative_losses():
    assert bp.History(loss=[-1.0, -2.0, -3.0, -4.0], val_loss=[-10.0, -8.0, -7.0, -6.0]).overfits()
    assert not bp.History(loss=[-1.0, -2.0, -3.0, -4.0], val_loss=[-10.0, -9.9, -9.8, -9.9]).overfits()


def test_the_range_of_rates_goes_on_where_losses_are_negative():
    x = generator("rates").standard_normal((64, 1))
    model = bp.Sequential(bp.Dense(1), input_shape=1, seed=0)
    found = bp.find_learning_rate(model, x, x, loss=lambda p, t: bp.square(p - t) - 5.0, optimizer=bp.SGD(0.1),
                                  maximum=0.5, steps=40)  # fmt: skip
    assert len(found.losses) == 40
