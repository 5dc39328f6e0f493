"""Training as a whole: the loop and its phases, stopping, files."""

import numpy as np
import pytest

import backpass as bp
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
