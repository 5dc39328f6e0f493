"""Who may call a model during another call: readers side by side, writers alone, no way back from within."""

import copy
import pickle
import sys
import threading
import time

import numpy as np
import pytest

import backpass as bp

ROWS = 64


@pytest.fixture
def x(rng):
    return rng.standard_normal((ROWS, 8)).astype(np.float32)


@pytest.fixture
def y(x):
    return x[:, :2].copy()


def build(*layers, seed=0):
    return bp.Sequential(bp.Dense(8), *layers, bp.Dense(64, activation="tanh"), bp.Dense(2), input_shape=8, seed=seed)


def in_thread(function):
    """What a function gives or raises in a thread of its own."""
    result = []

    def run():
        try:
            result.append(function())
        except Exception as error:
            result.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return result[0]


def test_predictions_of_one_model_in_several_threads_are_those_of_one(x):
    model = build()
    chunks = [x[begin:] for begin in range(16)]
    expected = [model.predict(chunk) for chunk in chunks]
    results: dict[int, list] = {}

    def predict(which):
        results[which] = [model.predict(chunks[which], threads=1 + which % 2) for _ in range(100)]

    workers = [threading.Thread(target=predict, args=(which,)) for which in range(len(chunks))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(results) == list(range(len(chunks)))
    for which, arrays in results.items():
        for array in arrays:
            np.testing.assert_array_equal(array, expected[which])


class Back(bp.Layer):
    """The identity, by NumPy, which calls something on its way."""

    def __init__(self):
        self.forth = self.back = lambda: None

    def forward(self, x):
        self.forth()
        return x

    def backward(self, grad, x):
        self.back()
        return grad


class Wait:
    """Holds whatever calls it until another thread's call is over."""

    def __init__(self):
        self.inside, self.leave = threading.Event(), threading.Event()

    def __call__(self):
        self.inside.set()
        assert self.leave.wait(30)


# Calls of a model that another one may be in the way of.
READING = {
    "predict": lambda model, trainer, x, y: model.predict(x),
    "state_dict": lambda model, trainer, x, y: model.state_dict(),
    "deepcopy": lambda model, trainer, x, y: copy.deepcopy(model),
    "pickle": lambda model, trainer, x, y: pickle.dumps(model),
    "optimizer.state_dict": lambda model, trainer, x, y: trainer.optimizer.state_dict(),
}
CHANGING = {
    "step": lambda model, trainer, x, y: trainer.step(x, y),
    "fit": lambda model, trainer, x, y: trainer.fit(x, y),
    "forward": lambda model, trainer, x, y: model.forward(x),
    "evaluate": lambda model, trainer, x, y: trainer.evaluate(x, y),
    "value_and_grad": lambda model, trainer, x, y: model.value_and_grad(x, y, bp.MSE()),
    "load_weights": lambda model, trainer, x, y: model.load_weights(model.state_dict()),
    "freeze": lambda model, trainer, x, y: model.freeze(),
    "zero_grad": lambda model, trainer, x, y: model.zero_grad(),
    "optimizer.step": lambda model, trainer, x, y: trainer.optimizer.step(model),
}
LOADING = {"optimizer.load_state_dict": lambda model, trainer, state: trainer.optimizer.load_state_dict(state)}


@pytest.fixture
def trained(x, y):
    """A model with a layer that can call back, and its trainer."""
    layer = Back()
    model = build(layer)
    trainer = bp.Trainer(model, bp.MSE(), bp.Adam())
    trainer.step(x, y)
    return layer, model, trainer


@pytest.mark.parametrize("call", {**READING, **CHANGING}.values(), ids={**READING, **CHANGING})
@pytest.mark.parametrize("around", ["step", "fit", "forward", "predict", "evaluate", "profile"])
def test_a_layer_that_calls_its_own_model_is_an_error(trained, x, y, around, call):
    layer, model, trainer = trained
    layer.forth = lambda: call(model, trainer, x, y)
    before = model.flat_parameters.copy()
    outer = {**READING, **CHANGING, "profile": lambda model, trainer, x, y: model.profile(8, repeats=1)}[around]
    with pytest.raises(RuntimeError, match="from within its own call"):
        outer(model, trainer, x, y)
    np.testing.assert_array_equal(model.flat_parameters, before)
    layer.forth = lambda: None
    assert np.isfinite(trainer.step(x, y))


@pytest.mark.parametrize("side", ["forth", "back"])
def test_a_step_whose_optimizer_is_loaded_from_within_is_refused(trained, x, y, side):
    layer, model, trainer = trained
    state = trainer.optimizer.state_dict()
    setattr(layer, side, lambda: trainer.optimizer.load_state_dict(state))
    before = model.flat_parameters.copy()
    with pytest.raises(RuntimeError, match="from within its own call"):
        trainer.step(x, y)
    np.testing.assert_array_equal(model.flat_parameters, before)
    assert trainer.optimizer.steps == 1


@pytest.mark.parametrize("call", {**READING, **CHANGING}.values(), ids={**READING, **CHANGING})
def test_while_a_step_is_under_way_other_threads_are_refused(trained, x, y, call):
    layer, model, trainer = trained
    state = trainer.optimizer.state_dict()
    layer.forth = wait = Wait()
    stepping = threading.Thread(target=trainer.step, args=(x, y))
    stepping.start()
    assert wait.inside.wait(30)
    errors = [in_thread(lambda: call(model, trainer, x, y))]
    errors.append(in_thread(lambda: trainer.optimizer.load_state_dict(state)))
    wait.leave.set()
    stepping.join()
    for error in errors:
        assert isinstance(error, RuntimeError), error
        assert "another thread" in str(error)
    assert trainer.optimizer.steps == 2


@pytest.mark.parametrize("name", [name for name in READING if name != "pickle"])  # what NumPy computes is not kept
def test_while_a_prediction_is_under_way_others_may_read(trained, x, y, name):
    layer, model, trainer = trained
    waiting = Wait()
    layer.forth = lambda: waiting() if threading.current_thread() is predicting else None
    predicting = threading.Thread(target=model.predict, args=(x,))
    predicting.start()
    assert waiting.inside.wait(30)
    result = in_thread(lambda: READING[name](model, trainer, x, y))
    refused = in_thread(lambda: trainer.step(x, y))
    waiting.leave.set()
    predicting.join()
    assert not isinstance(result, Exception), result
    assert isinstance(refused, RuntimeError)
    assert "another thread" in str(refused)
    assert np.isfinite(trainer.step(x, y))


def test_copies_taken_while_another_thread_trains_are_whole_or_refused(x, y):
    """Weights that all have the same value are of one step."""
    model = bp.Sequential(bp.Dense(400, bias=False), input_shape=400, seed=0)
    model.flat_parameters[:] = 0
    trainer = bp.Trainer(model, bp.MSE(), bp.SGD(1e-3, momentum=0.5))
    rows, targets = np.ones((1, 400), np.float32), np.ones((1, 400), np.float32)
    trainer.step(rows, targets)
    over, torn, taken, refused = time.monotonic() + 1.5, [], [], []

    def look():
        while time.monotonic() < over:
            for take in (
                lambda: model.state_dict()["0.weight"],
                lambda: copy.deepcopy(model).flat_parameters,
                lambda: pickle.loads(pickle.dumps(model)).flat_parameters,
                lambda: trainer.optimizer.state_dict()["slots"]["momentum_buffer"]["0.weight"],
            ):
                try:
                    values = take()
                except RuntimeError as error:
                    refused.append(str(error))
                    continue
                taken.append(values)
                if values.min() != values.max():
                    torn.append(values)

    looking = threading.Thread(target=look)
    looking.start()
    while time.monotonic() < over:
        try:
            trainer.step(rows, targets)
        except RuntimeError:  # while somebody reads
            time.sleep(0)
    looking.join()
    assert len(taken) + len(refused) > 0
    assert not torn
    assert all("another thread" in text for text in refused)


def test_callbacks_may_read_and_change_the_model_that_is_trained(x, y):
    class Use(bp.Callback):
        seen = 0

        def on_epoch_end(self, trainer, logs):
            trainer.model.load_weights(copy.deepcopy(trainer.model).state_dict())
            trainer.optimizer.load_state_dict(trainer.optimizer.state_dict())
            assert trainer.evaluate(x, y)["loss"] > 0
            assert trainer.model.predict(x).shape == y.shape
            Use.seen += 1

    model = build()
    model.fit(x, y, loss=bp.MSE(), optimizer=bp.Adam(), epochs=2, callbacks=Use())
    assert Use.seen == 2


def test_a_model_that_predicts_within_another_model_may_be_used_by_both(x):
    inner = build(seed=3)
    layer = Back()
    layer.forth = lambda: inner.predict(x)
    outer = build(layer)
    expected = outer.predict(x)
    np.testing.assert_array_equal(outer.predict(x), expected)


def test_a_layer_that_calls_its_model_for_ever_does_not_overflow_the_stack(x):
    layer = Back()
    model = build(layer)
    layer.forth = lambda: model.predict(x)
    limit = sys.getrecursionlimit()
    with pytest.raises(RuntimeError):
        model.predict(x)
    assert sys.getrecursionlimit() == limit
