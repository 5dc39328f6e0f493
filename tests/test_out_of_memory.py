"""Every allocation may fail: MemoryError, and the model, the optimizer and the file go on as if nothing had happened.

A library that is loaded before all others fails the k-th allocation of a call, for one k after the other. Python's
small objects are had from its own pools: what is under test is this library, its arrays and pybind11's memory.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
COMPILER = shutil.which("cc") or shutil.which("gcc")

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or COMPILER is None, reason="needs glibc and a C compiler"
)

PRELUDE = """
import ctypes, gc, itertools, os, sys, tempfile, traceback
import numpy as np
import backpass as bp

shim = ctypes.PyDLL(os.environ["LD_PRELOAD"])
shim.disarm.restype = ctypes.c_long
arm, disarm = shim.arm, shim.disarm
arm.argtypes = [ctypes.c_long, ctypes.c_long]
bp.set_threads(1)
gc.disable()
# Room in Python's pools: where a frame finds none while an exception passes, CPython 3.11 forgets the exception.
room = [[bytes(size - 40) for _ in range(1000)][::4] for size in range(48, 513, 16)]
rng = np.random.default_rng(0)
x = rng.standard_normal((40, 6)).astype(np.float32)
y = rng.integers(0, 3, 40)
folder = tempfile.mkdtemp()


def network(seed=0):
    return bp.Sequential(
        bp.Dense(8, activation="relu"), bp.BatchNorm(), bp.Residual(bp.Dense(8)), bp.Dropout(0.1), bp.Dense(3),
        input_shape=6, seed=seed,
    )


def tried(call, first, count):
    '''Whether the call went through although these allocations failed, and whether there were as many.'''
    done = False
    try:
        arm(first, count)
        call()
        done = True
    except MemoryError:
        pass
    except SystemError as error:
        disarm()
        if "numpy" not in traceback.extract_tb(error.__traceback__)[-1].filename:  # its reductions forget to say why
            raise
    return done, disarm()


def sweep(make, stride, count):
    '''Calls what `make` gives, with one allocation after the other failing, until all are had. What it gives besides
    checks, after each call.'''
    make()[0]()  # what is kept between calls, such as glibc's data of a thread, is had
    for first in itertools.count(0, stride):
        call, check = make()
        done, failed = tried(call, first, count)
        check(done)
        if done and failed == 0:
            return first
    raise AssertionError


def nothing(done):
    pass
"""

# Each defines make() -> (call, check): check sees whether the call went through.
PROGRAMS = {
    "build": """
def make():
    return network, nothing
""",
    "predict": """
model = network()
expected = model.predict(x)

def make():
    fresh = model.clone() if hasattr(model, "clone") else model
    def check(done):
        assert (model.predict(x) == expected).all()
    return (lambda: model.predict(x)), check
""",
    "graph": """
def make():
    def call():
        t = bp.input((4, 3), dtype="float64")
        f = bp.sum(bp.tanh(bp.log_sum_exp(t * t)))
        slope, = bp.gradients(f, [t])
        str(bp.Graph([t], [f, slope]))
        bp.Graph([t], [f, slope])(np.ones((4, 3)))
    return call, nothing
""",
    "step": """
def make():
    model = network()
    trainer = bp.Trainer(model, bp.CrossEntropy(), bp.Adam(1e-2))
    before = model.flat_parameters.copy()
    def check(done):
        changed = (model.flat_parameters != before).any()
        assert np.isfinite(model.flat_parameters).all()
        assert changed or not done
        trainer.step(x, y)
        assert (model.flat_parameters != before).any()
    return (lambda: trainer.step(x, y)), check
""",
    "fit": """
fit = dict(loss=bp.CrossEntropy(), optimizer=None, epochs=2, batch_size=16, progress=False, metrics=["accuracy"])

def make():
    model = network()
    def check(done):
        assert np.isfinite(model.flat_parameters).all()
        again = model.fit(x, y, **{**fit, "optimizer": bp.SGD(0.01)})
        assert len(again["loss"]) == 2
    return (lambda: model.fit(x, y, **{**fit, "optimizer": bp.Adam()})), check
""",
    "save": """
model = network()
path = os.path.join(folder, "model.safetensors")
model.save(path)
before = open(path, "rb").read()

def make():
    def check(done):
        assert open(path, "rb").read() == before
        assert [name for name in os.listdir(folder) if ".tmp" in name] == []
    return (lambda: model.save(path)), check
""",
    "load": """
model = network()
path = os.path.join(folder, "model.safetensors")
model.save(path)

def make():
    return (lambda: bp.load(path)), nothing
""",
    "checkpoint": """
path = os.path.join(folder, "fit.checkpoint")

def make():
    model = network()
    def call():
        model.fit(x, y, loss=bp.CrossEntropy(), optimizer=bp.Adam(), epochs=2, batch_size=16, progress=False,
                  callbacks=[bp.Checkpoint(path)], resume=path)
    def check(done):
        if os.path.exists(path):
            network().fit(x, y, loss=bp.CrossEntropy(), optimizer=bp.Adam(), epochs=2, batch_size=16, progress=False,
                          callbacks=[bp.Checkpoint(path)], resume=path)
            os.remove(path)
    return call, check
""",
    "optimizer state": """
model, adam = network(), bp.Adam()
model.fit(x, y, loss=bp.CrossEntropy(), optimizer=adam, epochs=1, progress=False)
state = adam.state_dict()

def make():
    def check(done):
        again = adam.state_dict()
        assert again["steps"] == state["steps"]
        assert all((again["slots"][s][n] == v).all() for s in state["slots"] for n, v in state["slots"][s].items())
    return (lambda: adam.load_state_dict(adam.state_dict())), check
""",
}


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    library = tmp_path_factory.mktemp("shim") / "fail_allocations.so"
    source = HERE / "fail_allocations.c"
    subprocess.run([COMPILER, "-shared", "-fPIC", "-O2", "-Wall", "-Werror", source, "-o", library], check=True)
    return library


def run(shim, name, stride, count):
    program = f"{PRELUDE}{PROGRAMS[name]}\nprint(sweep(make, {stride}, {count}))"
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", program],
        env={**os.environ, "LD_PRELOAD": str(shim), "PYTHONMALLOC": "pymalloc"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.returncode}\n{done.stdout[-1000:]}\n{done.stderr[-4000:]}"
    return int(done.stdout.split()[-1])


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_failed_allocation_is_a_memory_error(shim, name):
    """One in many allocations."""
    assert run(shim, name, 7, 1) > 0


@pytest.mark.nightly
@pytest.mark.parametrize("count", [1, 1000000])
@pytest.mark.parametrize("name", PROGRAMS)
def test_each_failed_allocation_is_a_memory_error(shim, name, count):
    assert run(shim, name, 1, count) > 0
