"""Gradients as numbers, and updates of several batches."""

import numpy as np
import pytest

import backpass as bp
from registry import DTYPES, generator

FIT = {"loss": bp.CrossEntropy(), "progress": False}
TOLERANCE = {"float32": 1e-6, "float64": 1e-12}


def rows(n=75):
    rng = generator("fit")
    return rng.standard_normal((n, 4)), rng.integers(0, 3, n)


def network(dtype="float64"):
    return bp.Sequential(bp.Dense(8), bp.Tanh(), bp.Dense(3), input_shape=4, seed=1, dtype=dtype)


# Gradients.


@pytest.mark.row("A20")
def test_flat_gradients_hold_every_gradient_and_round_trip():
    model = network()
    x, y = rows(5)
    _, named = model.value_and_grad(x, y, bp.CrossEntropy())
    flat = model.flat_gradients
    assert flat.shape == (model.n_parameters,)
    np.testing.assert_array_equal(flat, np.concatenate([gradient.ravel() for gradient in named.values()]))
    values = np.arange(model.n_parameters, dtype=float)
    flat[:] = values
    np.testing.assert_array_equal(np.concatenate([part.ravel() for part in model.gradients().values()]), values)


@pytest.mark.row("A21")
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_batch_gradient_is_the_mean_of_those_of_its_rows(dtype):
    model = network(dtype)
    x, y = rows(12)
    model.value_and_grad(x, y, bp.CrossEntropy())
    batch = model.flat_gradients.copy()
    each = []
    for i in range(12):
        model.value_and_grad(x[i : i + 1], y[i : i + 1], bp.CrossEntropy())
        each.append(model.flat_gradients.copy())
    np.testing.assert_allclose(np.mean(each, axis=0), batch, rtol=0, atol=TOLERANCE[dtype])


@pytest.mark.row("A22")
def test_gradients_add_up_until_they_are_reset():
    model = network()
    x, _ = rows(6)
    ones = np.ones((6, 3))
    model.forward(x)
    model.backward(ones)
    once = model.flat_gradients.copy()
    model.forward(x)
    model.backward(ones)
    np.testing.assert_allclose(model.flat_gradients, 2 * once, rtol=1e-14)
    model.zero_grad()
    assert not model.flat_gradients.any()
    model.forward(x)
    model.backward(ones)
    np.testing.assert_array_equal(model.flat_gradients, once)


# Several batches, one update.


@pytest.mark.row("M5")
@pytest.mark.row("A21")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("optimizer", [lambda: bp.SGD(0.1, momentum=0.9), lambda: bp.Adam(0.01)], ids=["sgd", "adam"])
def test_small_batches_make_the_update_of_a_big_one(dtype, weighted, optimizer):
    """75 rows in groups of 4 batches of 8: the last group is smaller, and so is its last batch."""
    x, y = rows()
    weight = generator("weights").random(len(x)) if weighted else None
    models = []
    for size, accumulate in ((8, 4), (32, 1)):
        model = network(dtype)
        model.fit(x, y, sample_weight=weight, optimizer=optimizer(), batch_size=size, accumulate=accumulate, epochs=3,
                  seed=3, **FIT)  # fmt: skip
        models.append(model.flat_parameters.copy())
    np.testing.assert_allclose(*models, rtol=0, atol=20 * TOLERANCE[dtype])


@pytest.mark.row("M5")
@pytest.mark.parametrize("chunk", [10, 75])
def test_streams_accumulate_too(chunk):
    x, y = rows()
    ours, theirs = network(), network()
    chunks = [(x[at : at + chunk], y[at : at + chunk]) for at in range(0, 75, chunk)]
    settings = {"batch_size": 8, "accumulate": 4, "epochs": 2, "shuffle": False, **FIT}
    ours.fit(chunks, optimizer=bp.Adam(), **settings)
    theirs.fit(x, y, optimizer=bp.Adam(), **settings)
    np.testing.assert_array_equal(ours.flat_parameters, theirs.flat_parameters)


@pytest.mark.row("M5")
def test_an_update_comes_after_each_group_and_at_the_end_of_the_epoch():
    x, y = rows()
    model, changes = network(), []

    class Watch(bp.Callback):
        def on_batch_end(self, trainer, logs):
            changes.append(not np.array_equal(model.flat_parameters, self.last))
            self.last = model.flat_parameters.copy()

    watch = Watch()
    watch.last = model.flat_parameters.copy()
    optimizer = bp.SGD(0.1)
    model.fit(x, y, optimizer=optimizer, batch_size=8, accumulate=4, epochs=2, callbacks=watch, **FIT)
    assert changes == [False, False, False, True, False, False, False, True, False, True] * 2
    assert optimizer._native.steps == 6


@pytest.mark.row("M5")
def test_a_stop_within_a_group_updates_by_what_is_there():
    x, y = rows()

    class Stop(bp.Callback):
        def on_batch_end(self, trainer, logs):
            if logs["batch"] == 1:
                trainer.stop()

    ours, theirs = network(), network()
    ours.fit(x, y, optimizer=bp.SGD(0.1), batch_size=8, accumulate=4, shuffle=False, callbacks=Stop(), **FIT)
    theirs.fit(x[:16], y[:16], optimizer=bp.SGD(0.1), batch_size=16, shuffle=False, **FIT)
    np.testing.assert_allclose(ours.flat_parameters, theirs.flat_parameters, rtol=0, atol=1e-14)


@pytest.mark.row("M5")
@pytest.mark.row("C6")
def test_a_bad_batch_within_a_group_keeps_the_weights():
    x, y = rows()
    x[20] = np.nan
    model = network()
    before = model.flat_parameters.copy()
    for _ in range(2):  # what is left in the gradients does not matter
        with pytest.raises(bp.DivergedError) as caught:
            model.fit(x, y, optimizer=bp.Adam(), batch_size=8, accumulate=4, shuffle=False, check_finite=False, **FIT)
        assert (caught.value.epoch, caught.value.batch, caught.value.layer) == (0, 2, "Dense 0")
        np.testing.assert_array_equal(model.flat_parameters, before)
    model.fit(x[:16], y[:16], optimizer=bp.Adam(), batch_size=8, accumulate=2, **FIT)
    assert np.isfinite(model.flat_parameters).all()


@pytest.mark.row("A23")
@pytest.mark.parametrize("kind", ["arrays", "stream", "accumulate", "augment"])
def test_callbacks_come_in_their_order_on_every_path(kind):
    events = []

    class Recorder(bp.Callback):
        def on_fit_begin(self, trainer, logs):
            events.append("fit begin")

        def on_fit_end(self, trainer, logs):
            events.append("fit end")

        def on_epoch_begin(self, trainer, logs):
            events.append(f"epoch {logs['epoch']} begin")

        def on_epoch_end(self, trainer, logs):
            assert logs["loss"] > 0
            events.append(f"epoch {logs['epoch']} end")

        def on_batch_begin(self, trainer, logs):
            events.append(f"batch {logs['batch']} begin")

        def on_batch_end(self, trainer, logs):
            assert logs["loss"] > 0
            events.append(f"batch {logs['batch']} end")

    x, y = rows(10)
    data = ([(x[:3], y[:3]), (x[3:], y[3:])],) if kind == "stream" else (x, y)
    options = {"accumulate": {"accumulate": 2}, "augment": {"augment": bp.augment.noise(0.1)}}.get(kind, {})
    network().fit(*data, optimizer=bp.SGD(0.1), epochs=2, batch_size=4, callbacks=Recorder(), **options, **FIT)
    batches = [f"batch {i} {when}" for i in range(3) for when in ("begin", "end")]
    epochs = [event for i in range(2) for event in (f"epoch {i} begin", *batches, f"epoch {i} end")]
    assert events == ["fit begin", *epochs, "fit end"]


# Losses that weigh their rows.


@pytest.mark.row("M5")
@pytest.mark.parametrize("sample_weight", [False, True])
def test_accumulated_gradients_of_a_loss_that_weighs_its_rows(sample_weight, rng):
    """Rows that are ignored, and classes of different weights: the parts have different weights."""
    x, y = rng.standard_normal((40, 4)), rng.integers(0, 3, 40)
    y[:7] = -100
    weight = rng.uniform(0.5, 2, 40) if sample_weight else None
    results = []
    for batch_size, accumulate in ((40, 1), (8, 5)):
        model = bp.Sequential(bp.Dense(5, activation="tanh"), bp.Dense(3), input_shape=4, seed=0, dtype="float64")
        loss = bp.CrossEntropy(ignore_index=-100, class_weight=[0.5, 1.0, 4.0])
        model.fit(x, y, loss=loss, optimizer=bp.SGD(0.5), epochs=3, batch_size=batch_size, accumulate=accumulate,
                  shuffle=False, sample_weight=weight)  # fmt: skip
        results.append(model.flat_parameters.copy())
    np.testing.assert_allclose(results[0], results[1], rtol=1e-11, atol=1e-13)


def test_accumulation_of_heads_that_weigh_rows_differently_is_refused(rng):
    x = bp.Input(4)
    model = bp.Network(x, [bp.Dense(3)(x), bp.Dense(1)(x)], seed=0)
    losses, y = [bp.CrossEntropy(ignore_index=-100), bp.MSE()], [rng.integers(0, 3, 20), rng.standard_normal(20)]
    before = model.flat_parameters.copy()
    with pytest.raises(ValueError, match=r"\[accumulate\] the losses of several outputs must weigh rows alike"):
        model.fit(rng.standard_normal((20, 4)), y, loss=losses, optimizer=bp.SGD(0.1), batch_size=5, accumulate=2)
    np.testing.assert_array_equal(model.flat_parameters, before)
