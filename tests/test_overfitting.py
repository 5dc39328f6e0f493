"""What a history tells: overfitting, a model that has stopped learning, the size of the step."""

import numpy as np
import pytest

import backpass as bp
from registry import generator
from test_watchers import linear, rows

# What the history tells.


@pytest.mark.row("R4")
def test_an_overfit_set_is_flagged_and_a_healthy_one_is_not():
    """Few rows with random targets are learnt by heart; many rows of a line with little noise are learnt as a line."""
    rng = generator("overfit")
    held_out = rng.standard_normal((100, 6))

    def history(rows, target):
        x = rng.standard_normal((rows, 6))
        last = bp.Dense(1, weight_init="glorot_uniform")
        model = bp.Sequential(bp.Dense(32, activation="tanh"), last, input_shape=6, seed=1)
        data = {"validation_data": (held_out, target(held_out)), "batch_size": 30}
        fit = {"loss": bp.MSE(), "optimizer": bp.Adam(1e-2), "epochs": 100, "seed": 1, "progress": False}
        return model.fit(x, target(x), **data, **fit)

    assert history(30, lambda x: rng.standard_normal((len(x), 1))).overfits()
    assert not history(600, lambda x: x[:, :1] + 0.1 * rng.standard_normal((len(x), 1))).overfits()


@pytest.mark.row("R4")
@pytest.mark.parametrize(
    ("loss", "val_loss", "flagged"),
    [
        ([3, 2, 1, 0.9], [3, 2, 2.1, 2.15], False),  # within the tolerance
        ([3, 2, 1, 0.9], [3, 2, 2.4, 2.4], True),
        ([3, 2, 2.5, 2.5], [3, 2, 2.4, 2.4], False),  # training got worse too: that is something else
        ([3, 2, 1], [3, 2, 1], False),
        ([3, 2, 1, 0.9, 0.8, 0.7], [3, 2, 5, 1.9, 1.8, 1.8], False),  # one bad epoch
        ([], [], False),
    ],
    ids=range(6),
)
def test_overfitting_is_what_its_definition_says(loss, val_loss, flagged):
    assert bp.History(loss=loss, val_loss=val_loss).overfits() == flagged


@pytest.mark.row("R4")
def test_overfitting_needs_validation_data():
    with pytest.raises(ValueError, match=r"\[overfits\] needs a fit with validation_data"):
        bp.History(loss=[1.0]).overfits()


@pytest.mark.row("O12")
def test_a_model_that_has_stopped_learning_is_reported_once_and_a_living_one_is_not():
    x, y = rows()
    model = linear()
    model.fit(x, y, loss=bp.MSE(), optimizer=bp.SGD(0.1), epochs=2, progress=False)  # warnings are errors
    dead = bp.Sequential(bp.Dense(4, activation="relu"), bp.Dense(1, weight_init="ones"), input_shape=3, seed=0)
    dead.parameters()["0.bias"][:] = -1e6
    dead.freeze("1.bias")
    before = dead.flat_parameters.copy()
    with pytest.warns(UserWarning, match=r"\[fit\] all gradients are zero: the model has stopped learning"):
        dead.fit(x, y, loss=bp.MSE(), optimizer=bp.SGD(0.1), epochs=3, progress=False)
    np.testing.assert_array_equal(dead.flat_parameters, before)


# The size of the step.


@pytest.mark.row("O11")
def test_three_rates_diverge_converge_and_creep():
    """The same budget on the same problem: too large overshoots, too small is slow."""
    x, y = rows()
    a = np.hstack([x, np.ones((8, 1))])
    curvature = np.linalg.eigvalsh(2 / 8 * a.T @ a)
    least = ((a @ np.linalg.lstsq(a, y, rcond=None)[0] - y) ** 2).mean()

    def excess(rate):
        losses = linear().fit(x, y, loss=bp.MSE(), optimizer=bp.SGD(rate), epochs=250, batch_size=8, progress=False)[
            "loss"
        ]
        return (losses[-1] - least) / (losses[0] - least)

    assert excess(1.1 * 2 / curvature.max()) > 1e3
    assert excess(1 / curvature.max()) < 1e-3
    assert 0.1 < excess(1e-3 / curvature.max()) < 1
