"""Threads in processes: forks, several models at once, hooks that call back while a team is at work."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import backpass as bp
from backpass import _core


@pytest.fixture(autouse=True)
def share_everything():
    """Small plans are shared as well, so that every step of these tests wakes the other workers."""
    _core.set_sharing_cut(False)
    yield
    _core.set_sharing_cut(True)


def data(rows=256):
    rng = np.random.default_rng(0)
    return rng.standard_normal((rows, 16)).astype(np.float32), rng.integers(0, 4, rows)


def build(seed=0):
    return bp.Sequential(bp.Dense(48), bp.ReLU(), bp.Dense(4), input_shape=16, seed=seed)


def fit(model, **settings):
    x, y = data()
    return model.fit(x, y, loss=bp.CrossEntropy(), optimizer=bp.SGD(0.1), epochs=3, **settings)


FORK = """
import os, sys
import numpy as np
import backpass as bp
from backpass import _core

_core.set_sharing_cut(False)
x, y = np.ones((64, 8), np.float32), np.zeros(64, int)

def train():
    model = bp.Sequential(bp.Dense(32), bp.ReLU(), bp.Dense(2), input_shape=8, seed=0)
    model.fit(x, y, loss=bp.CrossEntropy(), optimizer=bp.SGD(0.1), threads=3)
    return model.flat_parameters.sum()

class Fork(bp.Callback):
    def on_epoch_end(self, trainer, logs):
        self.child = os.fork()
        if self.child == 0:
            os._exit(0 if train() == expected else 1)

expected = train()
child = os.fork()
if child == 0:
    os._exit(0 if train() == expected else 1)
statuses = [os.waitpid(child, 0)[1]]
fork = Fork()
model = bp.Sequential(bp.Dense(32), bp.ReLU(), bp.Dense(2), input_shape=8, seed=0)
model.fit(x, y, loss=bp.CrossEntropy(), optimizer=bp.SGD(0.1), threads=3, callbacks=[fork])
statuses.append(os.waitpid(fork.child, 0)[1])
sys.exit(any(statuses))
"""


def test_a_forked_child_trains_before_and_within_a_fit():
    done = subprocess.run([sys.executable, "-c", FORK], timeout=60, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_several_models_train_in_several_threads():
    alone = [build(seed) for seed in range(3)]
    for model in alone:
        fit(model, threads=1)
    together = [build(seed) for seed in range(3)]
    workers = [threading.Thread(target=fit, args=(model,), kwargs={"threads": 2}) for model in together]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.flat_parameters, other.flat_parameters)


def test_a_callback_may_predict_and_train_other_models_while_a_team_is_at_work():
    x, _ = data()
    seen = []

    class Watch(bp.Callback):
        def on_epoch_end(self, trainer, logs):
            other = build(1)
            fit(other, threads=2)
            seen.append((trainer.model.predict(x), other.flat_parameters.copy()))

    model, other = build(), build(1)
    fit(model, threads=3, callbacks=[Watch()])
    fit(other, threads=1)
    np.testing.assert_array_equal(seen[-1][0], model.predict(x))
    for _, parameters in seen:
        np.testing.assert_array_equal(parameters, other.flat_parameters)


def test_one_model_in_two_threads_is_an_error_and_no_race():
    x, _ = data()
    raised = []

    def predict(model):
        try:
            model.predict(x)
        except RuntimeError as error:
            raised.append(str(error))

    class Intrude(bp.Callback):
        def on_epoch_end(self, trainer, logs):
            thread = threading.Thread(target=predict, args=(trainer.model,))
            thread.start()
            thread.join()

    fit(build(), threads=2, callbacks=[Intrude()])
    assert len(raised) == 3
    assert "another thread" in raised[0]


def test_an_exception_of_a_callback_ends_the_team_and_leaves_a_usable_model():
    class Fail(bp.Callback):
        def on_batch_end(self, trainer, logs):
            raise KeyError("mine")

    model = build()
    with pytest.raises(KeyError, match="mine"):
        fit(model, threads=3, callbacks=[Fail()])
    assert fit(model, threads=3).epochs == 3


def test_the_default_number_of_threads_is_capped_by_the_environment():
    code = "import backpass; print(backpass.get_threads())"
    run = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True
    )
    assert run.stdout.strip() == "1"


def test_the_default_number_of_threads_is_capped_by_threadpoolctl():
    pytest.importorskip("threadpoolctl")
    code = """
import backpass, threadpoolctl
with threadpoolctl.threadpool_limits(1):
    print(backpass.get_threads())
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.strip() == "1", run.stderr


DIVERGING_STEPS = """
import numpy as np
import backpass as bp
from backpass import _core
_core.set_sharing_cut(False)
model = bp.Sequential(bp.Dense(16, activation="relu"), bp.Dense(3), input_shape=8, seed=0)
trainer = bp.Trainer(model, bp.MSE(), bp.Adam(), threads=2)
before, x, y = model.flat_parameters.copy(), np.full((64, 8), np.nan), np.zeros((64, 3))
assert all(np.isnan(trainer.step(x, y)) for _ in range(20))
assert (model.flat_parameters == before).all()
assert np.isfinite(trainer.step(np.ones((64, 8)), y))
"""


@pytest.mark.row("S2")
def test_a_step_whose_loss_is_not_finite_lets_the_other_worker_go():
    """The guard stops the update; a worker that waits for its word must not wait for ever."""
    done = subprocess.run([sys.executable, "-c", DIVERGING_STEPS], timeout=60, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
