"""Forks: a child has none of the threads of its parent, and must not wait for one."""

import subprocess
import sys

import pytest

BEGIN = """
import os, sys
import numpy as np
import backpass as bp
from backpass import _core

_core.set_sharing_cut(False)
x, y = np.random.default_rng(0).standard_normal((64, 8)).astype(np.float32), np.arange(64) % 2

def build():
    return bp.Sequential(bp.Dense(32), bp.ReLU(), bp.Dense(2), input_shape=8, seed=0)

def fit(model, data=(x, y), **options):
    settings = {"loss": bp.CrossEntropy(), "optimizer": bp.SGD(0.1), "batch_size": 16, "threads": 3, "seed": 1}
    model.fit(*data, **settings | options)
    return model.flat_parameters

def chunks():
    for begin in range(0, 64, 8):
        yield x[begin : begin + 8], y[begin : begin + 8]

class Fork(bp.Callback):
    child = None
    def fork(self):
        if self.child is None:
            self.child = os.fork()
            if self.child == 0:
                self.in_child()
    def in_child(self):
        pass

def ends_well(child):
    return os.waitpid(child, 0)[1] == 0
"""

# name: what happens in the child of a fork, whose parent goes on and waits for it
CHILDREN = {
    "trains before a fit": """
expected = fit(build())
child = os.fork()
if child == 0:
    os._exit(not (fit(build()) == expected).all())
sys.exit(not ends_well(child))
""",
    "trains another model within a fit": """
expected = fit(build()).copy()
class Train(Fork):
    def on_epoch_end(self, trainer, logs):
        self.fork()
    def in_child(self):
        os._exit(not (fit(build()) == expected).all())
fork = Train()
fit(build(), callbacks=[fork])
sys.exit(not ends_well(fork.child))
""",
    "returns from a callback and goes on fitting": """
expected = fit(build(), epochs=3).copy()
class Return(Fork):
    def on_batch_end(self, trainer, logs):
        self.fork()
fork = Return()
same = (fit(build(), epochs=3, callbacks=[fork]) == expected).all()
if fork.child == 0:
    os._exit(not same)
sys.exit(not (same and ends_well(fork.child)))
""",
    "raises in a callback": """
class Raise(Fork):
    def on_batch_end(self, trainer, logs):
        self.fork()
    def in_child(self):
        raise KeyError("child")
fork, model = Raise(), build()
try:
    fit(model, epochs=3, callbacks=[fork])
except KeyError:
    os._exit(not np.isfinite(fit(model)).all())
sys.exit(not ends_well(fork.child))
""",
    "returns within a step": """
fork = Fork()
class Layer(bp.Layer):
    def build(self, x):
        return []
    def forward(self, x):
        fork.fork()
        return x
    def backward(self, grad, x):
        return (grad,)
def own():
    return bp.Sequential(bp.Dense(32), Layer(), bp.Dense(2), input_shape=8, seed=0)
fork.child = -1
expected = fit(own(), epochs=3).copy()
fork.child = None
same = (fit(own(), epochs=3) == expected).all()
if fork.child == 0:
    os._exit(not same)
sys.exit(not (same and ends_well(fork.child)))
""",
    "returns between steps": """
model = build()
trainer = bp.Trainer(model, bp.CrossEntropy(), bp.SGD(0.1), threads=3)
losses = [trainer.step(x, y) for _ in range(3)]
child = os.fork()
losses += [trainer.step(x, y) for _ in range(3)]
if child == 0:
    os._exit(not (np.diff(losses) < 0).all())
sys.exit(not ends_well(child))
""",
    "goes on with the next epoch of a stream": """
expected = fit(build(), (chunks,), epochs=3).copy()
class Next(Fork):
    def on_epoch_end(self, trainer, logs):
        self.fork()
fork = Next()
same = (fit(build(), (chunks,), epochs=3, callbacks=[fork]) == expected).all()
if fork.child == 0:
    os._exit(not same)
sys.exit(not (same and ends_well(fork.child)))
""",
    "is told that the stream of its epoch is read by its parent": """
def endless():
    while True:
        yield x, y
class Middle(Fork):
    def on_batch_end(self, trainer, logs):
        self.fork()
        if self.child != 0:
            trainer.stop()
fork = Middle()
try:
    fit(build(), (endless,), callbacks=[fork])
except RuntimeError as error:
    os._exit("parent" not in str(error))
sys.exit(fork.child == 0 or not ends_well(fork.child))
""",
}


@pytest.mark.parametrize("name", CHILDREN)
def test_a_forked_child(name):
    done = subprocess.run([sys.executable, "-c", BEGIN + CHILDREN[name]], timeout=60, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
