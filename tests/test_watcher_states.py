"""States and settings of watchers: what is kept, given back, and refused."""

import math
import pickle

import numpy as np
import pytest

import backpass as bp
from test_watchers import linear, rows


@pytest.mark.parametrize(
    "make",
    [
        lambda: bp.EarlyStopping("score", patience=3),
        lambda: bp.ReduceOnPlateau("score", patience=2, cooldown=1),
        lambda: bp.BoldDriver(monitor="score"),
    ],
    ids=["stopping", "plateau", "driver"],
)
def test_a_watcher_goes_on_from_its_state(make):
    """What a checkpoint of epoch 4 keeps, a new watcher goes on from: both act alike then."""
    values = [5.0, 4.0, 4.5, 4.6, 4.7, 4.8, 4.9, 5.0]
    x, y = rows()
    whole, again = make(), make()
    states = []
    model, sgd = linear(), bp.SGD(1e-3)
    trainer = bp.Trainer(model, bp.MSE(), sgd)
    trainer.step(x, y)
    acts = {whole: [], again: []}
    for epoch, value in enumerate(values):
        for watcher in (whole, again):
            before, start = sgd.learning_rate, model.flat_parameters.copy()
            if epoch == 4 and watcher is again:
                again = make()
                again.load_state(states[-1])
                watcher = again
                acts[again] = []
            watcher.on_epoch_begin(trainer, {"epoch": epoch})
            watcher.on_epoch_end(trainer, {"epoch": epoch, "score": value})
            acts[watcher].append((sgd.learning_rate / before, model.flat_parameters.tolist()))
            sgd.learning_rate = before
            model.flat_parameters[:] = start
        states.append(whole.state())
    assert acts[again] == acts[whole][4:]
    assert pickle.loads(pickle.dumps(whole)).state().keys() == whole.state().keys()


@pytest.mark.parametrize("array", [np.zeros(1), np.zeros(4, np.float32), np.zeros(400)], ids=["less", "type", "more"])
def test_a_state_of_another_network_is_neither_put_back_nor_written_over(array):
    model, sgd = linear(), bp.SGD(0.1)
    trainer = bp.Trainer(model, bp.MSE(), sgd)
    trainer.step(*rows())
    stopping, driver = bp.EarlyStopping("score"), bp.BoldDriver(monitor="score")
    stopping.load_state({"best_epoch": 0, "waited": 0, "best": 3.0, "weights.steps": 0, "weights.0": array})
    names = {"accepted": 3.0, "good.steps": 0, "good.0": array, "here.steps": 0, "here.0": array}
    driver.load_state(names)
    with pytest.raises(ValueError, match=r"\[Snapshot\] is of another network"):
        stopping.on_fit_end(trainer, {})
    with pytest.raises(ValueError, match=r"\[Snapshot\] is of another network"):
        driver.on_epoch_end(trainer, {"epoch": 0, "score": 9.0})
    best = model.flat_parameters.copy()
    driver.on_epoch_begin(trainer, {"epoch": 1})
    stopping.on_epoch_end(trainer, {"epoch": 1, "score": 1.0})
    assert stopping.state()["weights.0"].tolist() == driver.state()["here.0"].tolist() == best.tolist()
    model.flat_parameters[:] = 7
    stopping.on_fit_end(trainer, {})
    np.testing.assert_array_equal(model.flat_parameters, best)


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e300, -2.0, 0.5])
def test_numbers_that_count_nothing_are_refused(value):
    stopping = {"best_epoch": 0, "waited": 0, "weights.steps": 0}
    plateau = {"bad_epochs": 0, "cooling": 0}
    driver = {"good.steps": 0, "here.steps": 0}
    for make, state in ((bp.EarlyStopping, stopping), (bp.ReduceOnPlateau, plateau), (bp.BoldDriver, driver)):
        watcher = make()
        watcher.load_state(state)
        for name in state:
            with pytest.raises(ValueError, match=rf"^\[load_state\] {name} must be a whole number from .*, got "):
                watcher.load_state({**state, name: value})
        assert watcher.state() == state


def test_a_callback_of_ones_own_has_no_state_unless_it_says_so():
    assert bp.Callback().state() == {}
    bp.Callback().load_state({})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bp.EarlyStopping(mode="up"), r"\[EarlyStopping\] mode must be one of auto, min, max"),
        (lambda: bp.EarlyStopping(min_delta=-1), r"\[EarlyStopping\] min_delta must be finite and not negative"),
        (lambda: bp.ReduceOnPlateau(factor=1), r"\[ReduceOnPlateau\] factor must be above 0 and below 1, got 1"),
        (lambda: bp.ReduceOnPlateau(threshold_mode="x"), r"\[ReduceOnPlateau\] threshold_mode must be one of rel, abs"),
        (lambda: bp.BoldDriver(increase=0.5), r"\[BoldDriver\] increase must be finite and at least 1"),
        (lambda: bp.BoldDriver(decrease=1.0), r"\[BoldDriver\] decrease must be above 0 and below 1"),
        (lambda: bp.RaiseOnSmallGradients(1, 1, 1), r"\[RaiseOnSmallGradients\] factor must be finite and above 1"),
        (lambda: bp.ReduceOnPlateau().load_state({}), r'\[load_state\] has no "bad_epochs"'),
    ],
    ids=range(8),
)
def test_settings_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
