"""Eager tensors of several threads: recordings of their own, shared values, and errors where two train one model."""

import sys
import threading

import numpy as np
import pytest

import backpass as bp
from registry import generator


@pytest.fixture(autouse=True)
def often():
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def in_threads(*functions):
    """What each gives; an error of any is raised."""
    results, errors, start = [None] * len(functions), [], threading.Barrier(len(functions))

    def run(i, function):
        start.wait()
        try:
            results[i] = function()
        except BaseException as error:  # raised below
            errors.append(error)

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(functions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


def rows(n=32):
    rng = generator("eager threads")
    return rng.standard_normal((n, 4)).astype(np.float32), rng.standard_normal((n, 1)).astype(np.float32)


def training(seed, turns=40):
    """A loop of one's own: model, optimizer, tensors recorded and never asked for."""
    x, y = rows()
    model = bp.Sequential(bp.Dense(8, activation="tanh"), bp.Dropout(0.2), bp.Dense(1), input_shape=4, seed=seed)
    optimizer, scale = bp.Adam(model.parameters(), lr=0.01), bp.tensor([1.0], requires_grad=True)
    for turn in range(turns):
        optimizer.zero_grad()
        unasked = [model(x) * float(turn) for _ in range(3)]
        loss = bp.MSE()(model(x) * scale, y)
        if turn % 3 == 0:
            float(loss)
        loss.backward()
        with bp.no_grad():
            scale -= 0.01 * scale.grad
        scale.grad = None
        optimizer.step()
        del unasked
    return [w.tolist() for w in model.weights] + [scale.tolist()]


def test_loops_side_by_side_have_the_bits_of_loops_alone():
    expected = [training(seed) for seed in range(4)]
    found = in_threads(*(lambda seed=seed: training(seed) for seed in range(4)))
    assert found == expected


def test_a_recording_is_no_other_threads_to_run():
    model = bp.Sequential(bp.Dense(2), input_shape=4, seed=0)
    x = rows()[0]
    pending = model(x)
    expected = model.predict(x)

    def changes():
        with bp.no_grad():
            for w in model.weights:
                w += 1.0

    in_threads(changes)  # its own recordings come first; ours is computed when it is asked for
    assert pending.numpy().shape == expected.shape


def test_shared_recordings_give_all_threads_the_same():
    class Own(bp.Loss):  # Python within a run
        def value_and_grad(self, prediction, target, sample_weight=None):
            return float(np.mean((prediction - target) ** 2)), 2 * (prediction - target) / prediction.size

    own = Own()
    for turn in range(30):
        x = bp.tensor(np.full((8, 4), 0.1 * turn + 0.1, np.float32))
        h = x
        for _ in range(20):
            h = bp.tanh(h * 1.01 + 0.01 * turn)
        y = np.zeros((8, 4), np.float32)
        tails = [
            lambda h=h: float(bp.sum(h * 2)) / 2,
            lambda h=h: float(bp.sum(h)),
            lambda h=h, y=y: float(own(h, y)),
            lambda h=h: h.numpy().sum(),
        ]
        found = in_threads(*tails)
        array = np.full((8, 4), 0.1 * turn + 0.1, np.float32)
        for _ in range(20):
            array = np.tanh(array * 1.01 + 0.01 * turn)
        np.testing.assert_allclose(found[:2] + found[3:], array.sum(), rtol=1e-3)
        np.testing.assert_allclose(found[2], (array**2).mean(), rtol=1e-3)


def test_gradients_of_several_threads_add_up():
    w = bp.tensor(np.ones(64, np.float32), requires_grad=True)

    def adds():
        for _ in range(50):
            bp.sum(w * 2).backward()

    in_threads(*[adds] * 4)
    assert w.grad.tolist() == [400.0] * 64


def test_leaves_that_change_meanwhile():
    w = bp.tensor(np.ones(4096, np.float32))
    stop = threading.Event()

    def changes():
        for turn in range(300):
            w.assign(np.full(4096, float(turn), np.float32))
        stop.set()

    def reads():
        seen = []
        while not stop.is_set():
            seen.append(float(bp.max(w)))
        return seen

    seen = in_threads(changes, reads, reads)[1]
    assert all(0 <= value < 300 for value in seen)


def test_two_threads_that_train_one_model_are_told_or_take_turns():
    x, y = rows()
    model = bp.Sequential(bp.Dense(64, activation="tanh"), bp.BatchNorm(), bp.Dense(1), input_shape=4, seed=0)
    optimizer = bp.SGD(model.parameters(), lr=0.01)
    told, stale = [], []

    def trains():
        for _ in range(60):
            try:
                optimizer.zero_grad()
                bp.MSE()(model(x), y).backward()
                optimizer.step()
            except RuntimeError as error:
                told.append(str(error))
            except ValueError as error:  # the other one has stepped between call and backward
                stale.append(str(error))

    in_threads(trains, trains, trains)
    assert all("changed since it was" in message for message in stale)
    assert all("thread" in message for message in told)
    assert np.isfinite(model.predict(x)).all()


def test_one_layer_called_first_by_several_threads():
    for _ in range(20):
        layer, x = bp.Dense(3), bp.tensor(rows()[0])
        first, *others = in_threads(*[lambda layer=layer, x=x: layer(x).tolist()] * 4)
        assert all(other == first for other in others)


def test_callers_of_a_layer_are_bounded():
    layer = bp.Dense(3)
    values = []
    for positions in range(1, 80):
        values.append(layer(bp.tensor(np.ones((2, positions, 4), np.float32))).numpy()[0, 0].tolist())
    assert all(np.allclose(value, values[0], rtol=1e-5) for value in values)
    assert len(vars(layer)["_called"]) <= 32
    assert len(list(layer.parameters())) == 2


def test_no_grad_is_of_a_thread():
    w = bp.tensor([1.0], requires_grad=True)
    with bp.no_grad():
        assert in_threads(lambda: (w * 2).requires_grad) == [True]
        assert not (w * 2).requires_grad


@pytest.mark.slow
def test_threads_that_come_and_go():
    w = bp.tensor(np.ones(8, np.float32), requires_grad=True)
    for _ in range(300):
        in_threads(lambda: [w * float(i) for i in range(20)] and None, lambda: float(bp.sum(w)))
