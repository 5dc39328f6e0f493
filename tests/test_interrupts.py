"""Signal handlers run within long calls and may end them; nobody holds the interpreter's lock for long."""

import copy
import pickle
import signal
import threading
import time

import numpy as np
import pytest

import backpass as bp

SOON, WITHIN = 0.15, 2.0  # seconds to the signal, and from there to the end of the call: 0.05 and what a task takes

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers by signal")


class StopError(Exception):
    pass


def layers(width):
    return [bp.Dense(width, activation="tanh") for _ in range(4)]


@pytest.fixture(scope="module")
def large():
    """A model that takes seconds for these rows, on whatever threads."""
    model = bp.Sequential(*layers(1024), bp.Dense(8), input_shape=64, seed=0)
    x = np.random.default_rng(0).standard_normal((40_000, 64)).astype(np.float32)
    return model, x, x[:, :8].copy()


def trainer_of(model):
    return bp.Trainer(model, bp.MSE(), bp.SGD(1e-3))


CALLS = {
    "predict": lambda model, x, y: model.predict(x),
    "predict in one": lambda model, x, y: model.predict(x, batch_size=len(x)),
    "evaluate": lambda model, x, y: model.evaluate(x, y, loss=bp.MSE()),
    "step": lambda model, x, y: trainer_of(model).step(x[:20_000], y[:20_000]),
    "fit": lambda model, x, y: trainer_of(model).fit(x, y, batch_size=20_000),
    "validation": lambda model, x, y: trainer_of(model).fit(x[:1], y[:1], validation_data=(x, y)),
    "forward": lambda model, x, y: model.forward(x[:20_000]),
    "profile": lambda model, x, y: model.profile(4000, training=True),
    "trainer.profile": lambda model, x, y: trainer_of(model).profile(4000),
    "hvp": lambda model, x, y: bp.hvp(model, bp.MSE(), x[:8000], y[:8000], model.flat_parameters),
    "objective": lambda model, x, y: model.objective(x[:20_000], y[:20_000], bp.MSE()).fun(model.flat_parameters),
    "build": lambda model, x, y: bp.Sequential(bp.Dense(4000, weight_init="orthogonal"), input_shape=4000, seed=0),
    "graph": lambda model, x, y: bp.Graph([a := bp.input((3000, 3000))], [deep(a)])(np.zeros((3000, 3000))),
}


def deep(x):
    y = x
    for _ in range(40):
        y = y @ x
    return y


@pytest.fixture
def at_signal():
    """Sets what a signal does that comes soon."""
    before = signal.getsignal(signal.SIGALRM)

    def when(handler):
        signal.signal(signal.SIGALRM, lambda *_: handler())
        signal.setitimer(signal.ITIMER_REAL, SOON)

    yield when
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_handler_ends_a_long_call_and_leaves_the_model_as_it_was(large, at_signal, call, threads):
    model, x, y = large
    before, usual = model.flat_parameters.copy(), bp.get_threads()
    expected = model.predict(x[:4])

    def stop():
        raise StopError

    bp.set_threads(threads)
    begin = time.monotonic()
    try:
        at_signal(stop)
        with pytest.raises(StopError):
            call(model, x, y)
    finally:
        bp.set_threads(usual)
    assert time.monotonic() - begin < SOON + WITHIN
    if call is not CALLS["validation"]:
        np.testing.assert_array_equal(model.flat_parameters, before)
        np.testing.assert_array_equal(model.predict(x[:4]), expected)
    else:
        model.flat_parameters[:] = before
    assert np.isfinite(trainer_of(copy.deepcopy(model)).step(x[:4], y[:4]))


def test_a_handler_may_read_the_model_in_the_midst_of_a_step_and_the_step_goes_on(large, at_signal, tmp_path):
    model, x, y = large
    model, other = copy.deepcopy(model), copy.deepcopy(model)
    rows = slice(0, 4000)
    seen = {}

    def look():
        seen["state"] = model.state_dict()
        seen["prediction"] = model.predict(x[:4])
        model.save(tmp_path / "model")
        with pytest.raises(RuntimeError, match="from within its own call"):
            model.load_weights(seen["state"])

    expected = other.predict(x[:4])
    trainer_of(other).step(x[rows], y[rows])
    at_signal(look)
    trainer_of(model).step(x[rows], y[rows])
    assert seen
    np.testing.assert_array_equal(seen["prediction"], expected)
    np.testing.assert_array_equal(bp.load(tmp_path / "model").predict(x[:4]), expected)
    np.testing.assert_array_equal(model.flat_parameters, other.flat_parameters)


def longest_pause_during(call):
    """How long another thread of Python was kept waiting, and how long the call took."""
    over, pauses = threading.Event(), [0.0]

    def watch():
        last = time.monotonic()
        while not over.is_set():
            time.sleep(0.001)
            now = time.monotonic()
            pauses.append(now - last)
            last = now

    watching = threading.Thread(target=watch)
    watching.start()
    begin = time.monotonic()
    call()
    took = time.monotonic() - begin
    over.set()
    watching.join()
    return max(pauses), took


def test_other_threads_go_on_while_a_model_is_built_or_copied():
    wide = bp.Sequential(bp.Dense(4000), input_shape=4000, seed=0)
    trainer = bp.Trainer(wide, bp.MSE(), bp.Adam())
    trainer.step(np.zeros((1, 4000), np.float32), np.zeros((1, 4000), np.float32))
    state = trainer.optimizer.state_dict()
    for call in (
        lambda: bp.Sequential(bp.Dense(4000), input_shape=4000, seed=0),
        lambda: copy.deepcopy(wide),
        lambda: pickle.dumps(wide),
        lambda: trainer.optimizer.state_dict(),
        lambda: trainer.optimizer.load_state_dict(state),
    ):
        pause, took = longest_pause_during(call)
        assert pause < max(0.25, 0.7 * took)
