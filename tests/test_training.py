"""Training as a whole: the loop and its phases, stopping, divergence, files, simple problems that must be solved."""

import math
import sys
import time
import tracemalloc

import numpy as np
import pytest

import backpass as bp
import reference
from registry import DTYPES, LAYERS, by_name, generator


def classifier(seed=1, dtype="float32", rate=0.0):
    return bp.Sequential(
        bp.Dense(16), bp.ReLU(), bp.Dropout(rate), bp.Dense(3), input_shape=(4,), seed=seed, dtype=dtype
    )


def blobs(n=150):
    """Three classes around three centres."""
    rng = generator("blobs")
    labels = rng.integers(0, 3, n)
    centres = np.array([[2.0, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0]])
    return (centres[labels] + 0.5 * rng.standard_normal((n, 4))).astype(np.float32), labels


FIT = {"loss": bp.CrossEntropy(), "progress": False}


class Recorder(bp.Callback):
    """Writes down what is called, in order."""

    def __init__(self):
        self.events = []

    def on_fit_begin(self, trainer, logs):
        self.events.append("fit begin")

    def on_fit_end(self, trainer, logs):
        self.events.append("fit end")

    def on_epoch_begin(self, trainer, logs):
        self.events.append("epoch begin")

    def on_epoch_end(self, trainer, logs):
        self.events.append("epoch end")

    def on_batch_begin(self, trainer, logs):
        self.events.append("batch begin")

    def on_batch_end(self, trainer, logs):
        self.events.append("batch end")


@pytest.mark.row("A23")
def test_callbacks_fire_in_the_order_of_the_algorithm():
    x, y = blobs(10)
    recorder = Recorder()
    model = classifier()
    model.fit(x, y, optimizer=bp.SGD(0.1), epochs=2, batch_size=4, callbacks=[recorder], **FIT)
    epoch = ["epoch begin", *["batch begin", "batch end"] * 3, "epoch end"]
    assert recorder.events == ["fit begin", *epoch, *epoch, "fit end"]


@pytest.mark.row("A23")
def test_phases_of_a_step_are_forward_loss_backward_update():
    plan = bp.Trainer(classifier(), bp.CrossEntropy(), bp.SGD(0.1)).plan(8)
    phases = [call.phase for call in plan.calls]
    assert sorted(set(phases), key=phases.index) == ["forward", "loss", "backward", "update"]
    assert phases == sorted(phases, key=["forward", "loss", "backward", "update"].index)


@pytest.mark.row("A23")
@pytest.mark.row("A25")
def test_history_is_the_row_weighted_mean_of_the_losses_of_its_steps():
    x, y = blobs(10)
    model, again = classifier(), classifier()
    history = model.fit(x, y, optimizer=bp.SGD(0.1), epochs=2, batch_size=4, shuffle=False, **FIT)
    trainer = bp.Trainer(again, bp.CrossEntropy(), bp.SGD(0.1))
    for epoch in range(2):
        losses = [trainer.step(x[at : at + 4], y[at : at + 4]) for at in (0, 4, 8)]
        assert history["loss"][epoch] == pytest.approx(np.dot(losses, [4, 4, 2]) / 10, rel=1e-12)
    np.testing.assert_array_equal(model.flat_parameters, again.flat_parameters)


class BatchSpy(bp.Callback):
    """The weights after each batch."""

    def __init__(self, model):
        self.model, self.weights, self.batches = model, [], []

    def on_batch_end(self, trainer, logs):
        self.weights.append(self.model.flat_parameters.copy())


@pytest.mark.row("A25")
@pytest.mark.row("O3")
@pytest.mark.parametrize(("rows", "size", "steps"), [(10, 4, 3), (10, 5, 2), (10, 10, 1), (10, 64, 1), (1, 1, 1)])
def test_every_row_is_seen_once_an_epoch_and_the_last_batch_may_be_partial(rows, size, steps):
    x, y = blobs(rows)
    model = classifier()
    spy = BatchSpy(model)
    model.fit(x, y, optimizer=bp.SGD(0.1), epochs=3, batch_size=size, callbacks=[spy], **FIT)
    assert len(spy.weights) == 3 * steps


@pytest.mark.row("A25")
def test_shuffling_visits_every_row_once_in_a_new_order_each_epoch():
    """One weight, batches of one row, a gradient that is the row's number: the weights tell which row was taken."""
    n = 50
    x = np.ones((n, 1))
    y = -np.arange(1.0, n + 1)[:, None]

    def order(**options):
        model = bp.Sequential(bp.Dense(1, bias=False), input_shape=(1,), dtype="float64")
        model.parameters()["0.weight"][:] = 0
        spy = BatchSpy(model)
        # d/dw of half (w - y)^2 at a rate so small that w stays at 0: the step is rate * y.
        model.fit(x, y, loss=bp.HalfMSE(), optimizer=bp.SGD(1e-9), epochs=2, batch_size=1, callbacks=[spy],
                  progress=False, **options)  # fmt: skip
        steps = np.diff([0.0, *(w[0] for w in spy.weights)])
        return np.rint(-steps / 1e-9).astype(int).reshape(2, n)

    shuffled = order(seed=3)
    np.testing.assert_array_equal(np.sort(shuffled, axis=1), np.tile(np.arange(1, n + 1), (2, 1)))
    assert not np.array_equal(shuffled[0], shuffled[1])
    np.testing.assert_array_equal(shuffled, order(seed=3))
    assert not np.array_equal(shuffled, order(seed=4))
    np.testing.assert_array_equal(order(shuffle=False), np.tile(np.arange(1, n + 1), (2, 1)))


@pytest.mark.row("R2")
@pytest.mark.row("A25")
def test_early_stopping_waits_for_patience_and_restores_the_best_weights():
    """Twelve rows with random labels cannot be generalised: validation gets worse sooner or later."""
    rng = generator("early")
    x, y, vx, vy = (
        rng.standard_normal((12, 4)),
        rng.integers(0, 3, 12),
        rng.standard_normal((30, 4)),
        rng.integers(0, 3, 30),
    )
    model = classifier(dtype="float64")
    kept = []

    class Keep(bp.Callback):
        def on_epoch_end(self, trainer, logs):
            kept.append(model.flat_parameters.copy())

    stopping = bp.EarlyStopping(monitor="val_loss", patience=4)
    history = model.fit(
        x, y, optimizer=bp.Adam(0.02), epochs=500, validation_data=(vx, vy), callbacks=[Keep(), stopping], **FIT
    )
    values = history["val_loss"]
    best = int(np.argmin(values))
    assert len(values) == best + 1 + 4 < 500
    np.testing.assert_array_equal(model.flat_parameters, kept[best])
    assert model.evaluate(vx, vy)["loss"] == pytest.approx(values[best], rel=1e-12)


@pytest.mark.row("R2")
def test_early_stopping_can_leave_the_last_weights():
    x, y = blobs(20)
    model = classifier()
    stopping = bp.EarlyStopping(monitor="loss", patience=2, restore_best=False)
    history = model.fit(x, y, optimizer=bp.SGD(0.0), epochs=50, shuffle=False, callbacks=[stopping], **FIT)
    assert len(history["loss"]) == 3  # the first is the best, then two of patience


@pytest.mark.row("A23")
def test_a_callback_can_stop_after_any_batch():
    x, y = blobs(40)

    class StopAtThird(bp.Callback):
        batches = 0

        def on_batch_end(self, trainer, logs):
            self.batches += 1
            if self.batches == 3:
                trainer.stop()

    stop = StopAtThird()
    classifier().fit(x, y, optimizer=bp.SGD(0.1), epochs=5, batch_size=4, callbacks=[stop], **FIT)
    assert stop.batches == 3


# Divergence.


@pytest.mark.row("S2")
@pytest.mark.row("C6")
@pytest.mark.parametrize("dtype", DTYPES)
def test_exploding_training_is_stopped_and_named(dtype):
    rng = generator("explode")
    x, y = 10 * rng.standard_normal((32, 4)), rng.standard_normal((32, 1))
    model = bp.Sequential(bp.Dense(8), bp.ReLU(), bp.Dense(1), input_shape=(4,), seed=1, dtype=dtype)
    with pytest.raises(bp.DivergedError) as caught:
        model.fit(x, y, loss=bp.MSE(), optimizer=bp.SGD(100.0), epochs=500, batch_size=16, progress=False)
    error = caught.value
    assert 0 <= error.epoch < 500
    assert error.batch in (0, 1)
    assert error.layer in ("Dense 0", "ReLU 1", "Dense 2", "the loss")
    assert str(error.epoch) in str(error)
    assert error.layer in str(error)


@pytest.mark.row("S2")
@pytest.mark.row("C6")
def test_a_diverged_step_changes_nothing():
    model = bp.Sequential(bp.Dense(3), bp.Tanh(), bp.Dense(1), input_shape=(2,), seed=1)
    model.parameters()["2.weight"][0, 1] = np.inf
    before = model.flat_parameters.copy()
    with pytest.raises(bp.DivergedError) as caught:
        model.fit(np.ones((6, 2)), np.ones(6), loss=bp.MSE(), optimizer=bp.Adam(), batch_size=2, progress=False)
    assert (caught.value.epoch, caught.value.batch, caught.value.layer) == (0, 0, "Dense 2")
    np.testing.assert_array_equal(model.flat_parameters, before)


@pytest.mark.row("C6")
def test_a_step_by_hand_passes_the_loss_through_and_changes_nothing():
    model = classifier()
    before = model.flat_parameters.copy()
    value = bp.Trainer(model, bp.CrossEntropy(), bp.SGD(0.1)).step(np.full((2, 4), np.nan), np.array([0, 1]))
    assert math.isnan(value)
    np.testing.assert_array_equal(model.flat_parameters, before)


# Files.


@pytest.mark.row("D12")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", **by_name(LAYERS))
def test_a_loaded_model_predicts_the_same_bits(case, dtype, tmp_path):
    model = bp.Sequential(case.make(), bp.Dense(3), input_shape=(6,), seed=4, dtype=dtype)
    x = generator(case.name).standard_normal((9, 6))
    model.save(tmp_path / "model.safetensors")
    loaded = bp.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    assert loaded.parameters().keys() == model.parameters().keys()


@pytest.mark.row("D12")
def test_a_loaded_model_trains_on_as_the_original_would(tmp_path):
    x, y = blobs()
    model = classifier(rate=0.2)
    model.fit(x, y, optimizer=bp.Adam(), epochs=2, seed=1, **FIT)
    model.save(tmp_path / "model.safetensors")
    loaded = bp.load(tmp_path / "model.safetensors")
    for each in (model, loaded):
        each.fit(x, y, optimizer=bp.SGD(0.1), epochs=2, seed=2, **FIT)
    np.testing.assert_array_equal(loaded.flat_parameters, model.flat_parameters)


# NumPy in and out.


@pytest.mark.row("X4")
@pytest.mark.parametrize("dtype", DTYPES)
def test_parameters_and_gradients_are_views_of_one_buffer(dtype):
    model = classifier(dtype=dtype)
    for flat, named in ((model.flat_parameters, model.parameters()), (model.flat_gradients, model.gradients())):
        assert flat.dtype == np.dtype(dtype)
        assert flat.flags.c_contiguous
        assert flat.flags.writeable
        assert flat.ctypes.data % 64 == 0
        for value in named.values():
            assert value.flags.writeable
            assert np.shares_memory(value, flat)
    model.parameters()["3.bias"][:] = 7
    np.testing.assert_array_equal(model.flat_parameters[-3:], 7)
    model.parameters()["3.weight"][:] = 0
    np.testing.assert_array_equal(model.predict(np.ones((2, 4))), np.full((2, 3), 7))


@pytest.mark.row("X4")
def test_views_outlive_the_model():
    weight = classifier().parameters()["0.weight"]
    np.testing.assert_array_equal(weight, classifier().parameters()["0.weight"])


@pytest.mark.row("X4")
@pytest.mark.parametrize("dtype", DTYPES)
def test_large_inputs_are_read_in_place(dtype):
    """No array the size of the input is made, neither by NumPy nor by us; the result alone is new."""
    x = np.ones((60_000, 20), dtype=dtype)
    model = bp.Sequential(bp.Dense(1), input_shape=(20,), seed=1, dtype=dtype)
    model.predict(x[:8])
    tracemalloc.start()
    model.predict(x)
    model.fit(x, x[:, 0], loss=bp.MSE(), optimizer=bp.SGD(1e-3), batch_size=1000, progress=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < x.nbytes / 5


@pytest.mark.row("X4")
def test_strided_and_converted_inputs_give_the_same_bits():
    x = generator("strided").integers(-4, 4, (12, 8))
    model = bp.Sequential(bp.Dense(3), input_shape=(4,), seed=1)
    expected = model.predict(np.ascontiguousarray(x[::2, ::2], dtype=np.float32))
    for view in (
        x[::2, ::2],
        x.astype(np.float16)[::2, ::2],
        x.astype(np.float64)[::2, ::2],
        np.asfortranarray(x[::2, ::2]),
    ):
        np.testing.assert_array_equal(model.predict(view), expected)


@pytest.mark.row("D8")
def test_no_python_runs_per_sample_or_per_step():
    """The number of Python calls in fit and predict does not depend on the number of rows."""
    model = classifier()

    def calls(rows):
        x, y = blobs(rows)
        count = 0

        def profile(frame, event, argument):
            nonlocal count
            count += event in ("call", "c_call")

        sys.setprofile(profile)
        try:
            model.fit(x, y, optimizer=bp.SGD(0.1), batch_size=8, **FIT)
            model.predict(x)
        finally:
            sys.setprofile(None)
        return count

    calls(64)
    assert calls(64) == calls(6400)


# Simple problems.


@pytest.mark.row("D1")
@pytest.mark.row("C4")
def test_xor_is_learned_from_every_seed():
    for seed in range(20):
        model = bp.Sequential(
            bp.Dense(4), bp.Sigmoid(), bp.Dense(1), bp.Sigmoid(), input_shape=(2,), seed=seed, dtype="float64"
        )
        x, y = reference.XOR_INPUTS, reference.XOR_TARGETS
        history = model.fit(x, y, loss=bp.HalfMSE(), optimizer=bp.SGD(4.0), epochs=3000, batch_size=4, progress=False)
        prediction = model.predict(x)
        assert ((prediction > 0.5) == (y > 0.5)).all(), seed
        assert np.square(prediction - y).mean() < 0.01, seed
        assert history["loss"][-1] < history["loss"][0]


@pytest.mark.row("D1")
def test_the_reference_learns_xor_too():
    assert max(reference.train_xor(seed) for seed in range(2)) < 0.01


@pytest.mark.row("C4")
@pytest.mark.row("D5")
def test_a_line_is_fitted():
    x = np.linspace(-1, 1, 50)[:, None]
    y = 3 * x - 2
    model = bp.Sequential(bp.Dense(1), input_shape=(1,), seed=1, dtype="float64")
    started = time.perf_counter()
    history = model.fit(
        x, y, loss=bp.MSE(), optimizer=bp.SGD(0.3), epochs=200, batch_size=50, threads=1, progress=False
    )
    assert time.perf_counter() - started < 5
    assert model.parameters()["0.weight"].item() == pytest.approx(3, abs=1e-6)
    assert model.parameters()["0.bias"].item() == pytest.approx(-2, abs=1e-6)
    assert history["loss"][-1] < history["loss"][0]


@pytest.mark.row("C4")
@pytest.mark.row("D5")
def test_one_neuron_learns_or():
    x, y = reference.XOR_INPUTS, np.array([[0.0], [1], [1], [1]])
    model = bp.Sequential(bp.Dense(1), bp.Sigmoid(), input_shape=(2,), seed=1)
    started = time.perf_counter()
    history = model.fit(
        x, y, loss=bp.MSE(), optimizer=bp.SGD(2.0), epochs=1000, batch_size=4, threads=1, progress=False
    )
    assert time.perf_counter() - started < 5
    np.testing.assert_array_equal(model.predict(x) > 0.5, y > 0.5)
    assert history["loss"][-1] < history["loss"][0]


@pytest.mark.row("D5")
def test_classes_are_told_apart():
    x, y = blobs(300)
    model = classifier(rate=0.1)
    history = model.fit(
        x[:200], y[:200], optimizer=bp.Adam(1e-2), epochs=30, validation_data=(x[200:], y[200:]),
        metrics=["accuracy"], seed=1, **FIT,
    )  # fmt: skip
    assert history["loss"][-1] < history["loss"][0] / 4
    assert history["val_accuracy"][-1] > 0.95
    assert model.evaluate(x[200:], y[200:], metrics=["accuracy"])["accuracy"] == history["val_accuracy"][-1]
