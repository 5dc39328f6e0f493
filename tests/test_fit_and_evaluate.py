"""Fit and evaluate from Python: progress, history, metrics, exceptions, other threads."""

import signal
import threading
import time

import numpy as np
import pytest

import backpass as bp
from test_api import CE, fit


def test_a_progress_bar_shows_epochs_and_loss(model, data, capsys):
    fit(model, *data, progress=True)
    shown = capsys.readouterr().err
    assert "epoch 2/2" in shown
    assert "loss=" in shown


def test_no_progress_bar_where_nobody_looks(model, data, capsys):
    fit(model, *data, progress="auto")
    assert capsys.readouterr().err == ""


def test_the_history_has_a_column_for_everything(model, data):
    def worst(y_true, y_pred):
        return float(y_pred.max())

    history = fit(model, *data, metrics=["accuracy", worst], validation_data=data)
    assert set(history) == {"loss", "accuracy", "worst", "val_loss", "val_accuracy", "val_worst", "learning_rate"}
    assert history.epochs == 2
    assert all(len(column) == 2 for column in history.values())


def test_evaluate_takes_the_loss_of_the_last_fit(model, data):
    fit(model, *data)
    result = model.evaluate(*data, metrics=("accuracy",))
    assert [*result] == ["loss", "accuracy"]
    assert result["loss"] == pytest.approx(CE.value_and_grad(model.predict(data[0]), data[1])[0], rel=1e-6)
    assert result["accuracy"] == np.mean(model.predict(data[0]).argmax(axis=1) == data[1])


@pytest.mark.parametrize("outputs", [1, 3])
def test_accuracy_of_binary_logits_is_by_their_sign(outputs, rng):
    """Each output is a yes or no of its own: the mean over elements."""
    x, y = rng.standard_normal((20, 4)), rng.integers(0, 2, (20, outputs))
    model = bp.Sequential(bp.Dense(outputs), input_shape=4, seed=1)
    model.parameters()["0.bias"][:] = 0.3  # logits between 0 and 0.5 tell the threshold from that of 0/1 outputs
    loss = bp.BinaryCrossEntropy()
    logits = model.predict(x)
    assert ((logits > 0) != (logits > 0.5)).any()
    right = ((logits > 0) == (y == 1)).mean()
    assert model.evaluate(x, y, loss=loss, metrics="accuracy")["accuracy"] == pytest.approx(right)
    history = fit(
        model, x, y, loss=loss, optimizer=bp.SGD(0.0), metrics="accuracy", validation_data=(x[:10], y[:10]), epochs=1
    )
    assert history["accuracy"] == pytest.approx([right])
    assert history["val_accuracy"] == pytest.approx([((logits > 0) == (y == 1))[:10].mean()])


def test_accuracy_of_one_output_is_by_its_side_of_a_half():
    model = bp.Sequential(bp.Dense(1), input_shape=1, seed=1)
    model.parameters()["0.weight"][:] = 1
    x, y = [[0.2], [0.4], [0.6], [0.8]], [0, 1, 1, 1]
    assert model.evaluate(x, y, loss=bp.MSE(), metrics="accuracy")["accuracy"] == 0.75


def test_a_metric_gets_all_rows_as_they_were_given(model, data):
    seen = []

    def metric(y_true, y_pred):
        seen.append((y_true, y_pred))
        return 0.0

    model.evaluate(*data, loss=CE, metrics=metric)
    ((y_true, y_pred),) = seen
    np.testing.assert_array_equal(y_true, data[1])
    np.testing.assert_array_equal(y_pred, model.predict(data[0]))
    assert y_true.dtype == data[1].dtype


def test_an_exception_in_a_callback_passes_on_and_leaves_a_usable_model(model, data):
    class Fails(bp.Callback):
        def on_batch_end(self, trainer, logs):
            raise LookupError("from the callback")

    with pytest.raises(LookupError, match="from the callback"):
        fit(model, *data, callbacks=[Fails()])
    assert np.isfinite(fit(model, *data)["loss"]).all()


@pytest.fixture
def interruptible():
    """A worker of pytest-xdist ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_fit_and_leaves_a_usable_model(model, data):
    timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    # A thread that is not the main one only marks the signal; fit looks for the mark.
    before = model.flat_parameters.copy()
    start = time.monotonic()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        fit(model, *data, epochs=100_000_000)
    assert time.monotonic() - start < 5
    assert not np.array_equal(model.flat_parameters, before)
    assert np.isfinite(model.predict(data[0])).all()


def test_fit_lets_other_threads_run(model, data):
    """The interpreter's lock is free while native code trains."""
    count = 0
    done = threading.Event()

    def work():
        nonlocal count
        while not done.is_set():
            count += 1
            time.sleep(0.001)

    thread = threading.Thread(target=work)
    thread.start()
    fit(model, np.tile(data[0], (500, 1)), np.tile(data[1], 500), epochs=100)
    done.set()
    thread.join()
    assert count > 5
