"""Watchers: when they act, and what they do."""

import itertools
import math

import numpy as np
import pytest

import backpass as bp
from registry import generator


def linear(seed=0, **options):
    return bp.Sequential(bp.Dense(1), input_shape=3, seed=seed, dtype="float64", **options)


def rows(count=8):
    rng = generator("watchers", count)
    return rng.standard_normal((count, 3)), rng.standard_normal((count, 1))


class Record(bp.Callback):
    """The rate and the weights at the end of each epoch."""

    def __init__(self):
        self.rates, self.weights = [], []

    def on_epoch_end(self, trainer, logs):
        self.rates.append(trainer.optimizer.learning_rate)
        self.weights.append(trainer.model.flat_parameters.copy())


def fit_with_metric(values, *callbacks, optimizer=None, name="score", **options):
    """A fit whose metric takes the given values, one for each epoch."""
    given = iter(values)

    def metric(y_true, y_pred):
        return next(given)

    metric.__name__ = name
    settings = {"loss": bp.MSE(), "optimizer": optimizer or bp.SGD(1e-3), "epochs": len(values), "progress": False}
    return linear().fit(*rows(), metrics=[metric], callbacks=list(callbacks), **{**settings, **options})


@pytest.mark.row("H1")
def test_a_fixed_rate_is_constant_in_the_log():
    logs = []

    class Keep(bp.Callback):
        def on_epoch_end(self, trainer, epoch_logs):
            logs.append(epoch_logs["learning_rate"])

    history = linear().fit(*rows(), loss=bp.MSE(), optimizer=bp.SGD(0.05), epochs=6, callbacks=[Keep()], progress=False)
    assert history["learning_rate"] == logs == [0.05] * 6


# Early stopping.


@pytest.mark.row("R2")
@pytest.mark.parametrize(
    ("name", "mode", "values", "best"),
    [
        ("score", "auto", [3, 2, 1, 4, 5, 6], 2),
        ("score", "max", [3, 4, 1, 1, 1, 1], 1),
        ("accuracy", "auto", [0.3, 0.4, 0.1, 0.1, 0.1], 1),
        ("top_5_accuracy", "auto", [0.3, 0.4, 0.1, 0.1, 0.1], 1),
        ("f1", "auto", [0.3, 0.4, 0.1, 0.1, 0.1], 1),
        ("accuracy", "min", [0.3, 0.2, 0.5, 0.5, 0.5], 1),
    ],
)
def test_early_stopping_follows_any_metric(name, mode, values, best):
    stopping, record = bp.EarlyStopping(name, patience=3, mode=mode), Record()
    model_values = [float(value) for value in values]
    history = fit_with_metric(model_values, record, stopping, name=name)
    assert (stopping.best_epoch, stopping.best) == (best, model_values[best])
    assert history.epochs == best + 4
    assert len(record.weights) == history.epochs


@pytest.mark.row("R2")
def test_early_stopping_ends_with_the_best_weights_bit_for_bit():
    model, record = linear(), Record()
    fit = {"loss": bp.MSE(), "optimizer": bp.SGD(3.0), "epochs": 20, "progress": False}
    stopping = bp.EarlyStopping("val_loss", patience=2)
    model.fit(*rows(), callbacks=[record, stopping], validation_data=rows(), **fit)
    assert stopping.best_epoch == 0
    np.testing.assert_array_equal(model.flat_parameters, record.weights[0])


@pytest.mark.row("R2")
def test_small_improvements_and_early_epochs_do_not_count():
    values = [1.0, 0.95, 0.92, 0.91, 0.5, 0.5]
    stopping = bp.EarlyStopping("score", patience=3, min_delta=0.2)
    assert fit_with_metric(values, stopping).epochs == 4
    late = bp.EarlyStopping("score", patience=2, start_epoch=3)
    assert fit_with_metric([0.0, 0.0, 0.0, 5.0, 6.0, 7.0, 8.0], late).epochs == 6
    assert (late.best_epoch, late.best) == (3, 5.0)


def test_a_metric_that_is_nan_is_no_improvement():
    stopping = bp.EarlyStopping("score", patience=2)
    assert fit_with_metric([math.nan, 2.0, math.nan, math.nan, 1.0], stopping).epochs == 4
    assert stopping.best == 2.0


# Plateaus.


@pytest.mark.row("H5")
@pytest.mark.row("S5")
def test_the_rate_falls_after_patience_flat_epochs_by_the_factor():
    record, sgd = Record(), bp.SGD(0.8)
    fit_with_metric([1.0] * 9, bp.ReduceOnPlateau("score", factor=0.25, patience=3), record, optimizer=sgd)
    assert record.rates == [0.8] * 4 + [0.2] * 4 + [0.05]


@pytest.mark.row("H5")
@pytest.mark.row("C3")
@pytest.mark.parametrize("cooldown", [0, 3])
@pytest.mark.parametrize(("mode", "threshold_mode"), list(itertools.product(("min", "max"), ("rel", "abs"))))
def test_plateaus_are_those_of_torch(mode, threshold_mode, cooldown):
    torch = pytest.importorskip("torch")
    settings = {"factor": 0.5, "patience": 2, "threshold": 0.05, "threshold_mode": threshold_mode, "mode": mode,
                "cooldown": cooldown}  # fmt: skip
    values = np.cumsum(generator(mode, threshold_mode, cooldown).standard_normal(80)) / 5 + 3
    record = Record()
    fit_with_metric(list(values), bp.ReduceOnPlateau("score", minimum=1e-4, **settings), record)
    theirs = torch.optim.SGD([torch.zeros(1)], lr=1e-3)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, min_lr=1e-4, eps=0, **settings)
    expected = []
    for value in values:
        scheduler.step(value)
        expected.append(theirs.param_groups[0]["lr"])
    assert len(set(expected)) > 2
    np.testing.assert_allclose(record.rates, expected, rtol=1e-12)


# The rate by the behaviour of the loss.


@pytest.mark.row("H7")
@pytest.mark.row("S5")
def test_a_bold_driver_raises_and_cuts_exactly():
    record, sgd = Record(), bp.SGD(1e-3)
    values = [5.0, 4.0, 3.0, 3.5, 2.0, 2.0, 2.01, 1.0]
    driver = bp.BoldDriver(increase=1.5, decrease=0.5, tolerance=0.01, monitor="score")
    fit_with_metric(values, driver, record, optimizer=sgd)
    up, down = 1.5, 0.5
    changes = [1, up, up, down, up, 1, 1, up]  # 2.0 and 2.01 lie within the tolerance
    np.testing.assert_allclose(record.rates, 1e-3 * np.cumprod(changes), rtol=1e-12)


@pytest.mark.row("H7")
def test_a_bold_driver_takes_back_weights_and_velocity():
    """Replayed by hand: a step that made the loss rise has not been. What rounding may change is no rise."""
    x, y = rows()
    model, sgd, record, count = linear(), bp.SGD(0.3, momentum=0.9), Record(), 40
    fit = {"epochs": count, "batch_size": 8, "shuffle": False, "progress": False}
    model.fit(x, y, loss=bp.MSE(), optimizer=sgd, callbacks=[bp.BoldDriver(), record], **fit)
    w, v, rate, steps, rejected = linear().flat_parameters.copy(), np.zeros(4), 0.3, 0, 0
    a, accepted, good = np.hstack([x, np.ones((8, 1))]), math.inf, None
    for _ in range(count):
        before, e = (w, v, steps), a @ w - y[:, 0]
        v = 0.9 * v + 2 / 8 * a.T @ e
        w, steps, loss = w - rate * v, steps + 1, (e**2).mean()
        if loss > accepted * (1 + 1e-10):
            (w, v, steps), rate, rejected = good, rate * 0.5, rejected + 1
            continue
        if loss < accepted * (1 - 1e-10) and accepted < math.inf:
            rate *= 1.05
        accepted, good = loss, before
    assert rejected > 2
    np.testing.assert_allclose(model.flat_parameters, w, rtol=1e-9)
    np.testing.assert_allclose(record.rates[-1], rate, rtol=1e-12)
    assert sgd.steps == steps < count


@pytest.mark.row("H7")
def test_a_bold_driver_comes_down_from_any_rate():
    history = linear().fit(
        *rows(), loss=bp.MSE(), optimizer=bp.SGD(1e3), epochs=300, batch_size=8, callbacks=[bp.BoldDriver()],
        progress=False,
    )  # fmt: skip
    x, y = rows()
    a = np.hstack([x, np.ones((8, 1))])
    least = ((a @ np.linalg.lstsq(a, y, rcond=None)[0] - y) ** 2).mean()
    assert history["loss"][-1] == pytest.approx(least, rel=1e-6)


@pytest.mark.row("H6")
def test_small_gradients_raise_the_rate_up_to_a_bound():
    x, y = rows()
    model, sgd, record = linear(), bp.SGD(0.05), Record()
    norms = []

    class Norm(bp.Callback):
        def on_epoch_end(self, trainer, logs):
            norms.append(np.linalg.norm(model.flat_gradients))

    raising = bp.RaiseOnSmallGradients(threshold=1.5, maximum=0.15, factor=2)
    model.fit(
        x, y, loss=bp.MSE(), optimizer=sgd, epochs=40, batch_size=8, callbacks=[Norm(), raising, record], progress=False
    )
    first = next(i for i, norm in enumerate(norms) if norm < 1.5)
    assert 0 < first < 30
    assert record.rates[:first] == [0.05] * first
    assert record.rates[first : first + 2] == [0.1, 0.15]
    assert set(record.rates[first + 2 :]) == {0.15}
    assert raising.norm == pytest.approx(norms[-1])
