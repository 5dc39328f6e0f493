"""Rows at the end of an epoch that fill no batch, left out where asked."""

import numpy as np
import pytest

import backpass as bp

FIT = {"loss": bp.MSE(), "progress": False}


class Batches(bp.Callback):
    def __init__(self):
        self.losses = []

    def on_batch_end(self, trainer, logs):
        self.losses.append(logs["loss"])


def rows(n=20):
    x = np.random.default_rng(0).standard_normal((n, 3)).astype(np.float32)
    return x, x.sum(axis=1)


def network():
    return bp.Sequential(bp.Dense(1), input_shape=3, seed=0)


def fitted(x, y=None, **options):
    model, batches = network(), Batches()
    history = model.fit(x, y, optimizer=bp.SGD(0.1), callbacks=batches, **{**FIT, "batch_size": 8, **options})
    return model, history, batches.losses


def test_an_epoch_has_full_batches_only():
    x, y = rows()
    kept, _, all_losses = fitted(x, y, shuffle=False)
    model, history, losses = fitted(x, y, shuffle=False, drop_last=True)
    expected, _, _ = fitted(x[:16], y[:16], shuffle=False)
    assert (len(all_losses), len(losses)) == (3, 2)
    np.testing.assert_array_equal(model.flat_parameters, expected.flat_parameters)
    assert not np.array_equal(model.flat_parameters, kept.flat_parameters)
    assert history["loss"] == [pytest.approx(np.mean(losses), rel=1e-6)]


def test_shuffled_epochs_leave_out_others_each_time():
    x, y = rows()
    seen = []
    model = network()
    metrics = [("seen", lambda y_true, y_pred: seen.append(y_true.ravel().tolist()) or len(y_true))]
    history = model.fit(x, y, optimizer=bp.SGD(0.1), epochs=2, batch_size=8, drop_last=True, metrics=metrics, **FIT)
    assert history["seen"] == [16, 16]
    assert seen[0] != seen[1]


@pytest.mark.parametrize("chunk", [3, 7, 20])
def test_streams_too(chunk):
    x, y = rows()

    def chunks():
        for begin in range(0, len(x), chunk):
            yield x[begin : begin + chunk], y[begin : begin + chunk]

    model, _, losses = fitted(bp.Stream(chunks), shuffle=False, drop_last=True)
    expected, _, _ = fitted(x[:16], y[:16], shuffle=False)
    assert len(losses) == 2
    np.testing.assert_array_equal(model.flat_parameters, expected.flat_parameters)


def test_accumulation_takes_what_is_left_of_full_batches():
    x, y = rows()
    model, _, losses = fitted(x, y, shuffle=False, drop_last=True, batch_size=3, accumulate=4)
    expected, _, _ = fitted(x[:18], y[:18], shuffle=False, batch_size=3, accumulate=4)
    assert len(losses) == 6
    np.testing.assert_array_equal(model.flat_parameters, expected.flat_parameters)


def test_partial_fit_has_it_and_a_multiple_changes_nothing():
    x, y = rows(16)
    ours, theirs = network(), network()
    ours.partial_fit(x, y, loss=bp.MSE(), optimizer=bp.SGD(0.1), batch_size=8, drop_last=True)
    theirs.partial_fit(x, y, loss=bp.MSE(), optimizer=bp.SGD(0.1), batch_size=8)
    np.testing.assert_array_equal(ours.flat_parameters, theirs.flat_parameters)


def test_fewer_rows_than_a_batch_are_refused():
    x, y = rows(5)
    for data in ((x, y), (bp.Stream(lambda: [(x, y)]), None)):
        with pytest.raises(ValueError, match=r"^\[fit\] drop_last leaves no row: there are fewer than batch_size = 8"):
            fitted(*data, drop_last=True)
    with pytest.raises(TypeError, match=r"^\[fit\] drop_last must be True or False"):
        fitted(x, y, drop_last=1)


def test_a_checkpoint_is_of_one_or_the_other(tmp_path):
    x, y = rows()
    path = tmp_path / "fit"
    network().fit(x, y, optimizer=bp.SGD(0.1), batch_size=8, drop_last=True, callbacks=bp.Checkpoint(path), **FIT)
    with pytest.raises(ValueError, match=r"batch_size was 8, full ones only when the"):
        network().fit(x, y, optimizer=bp.SGD(0.1), batch_size=8, resume=path, epochs=2, **FIT)
