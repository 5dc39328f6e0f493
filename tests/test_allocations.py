"""A step allocates nothing once it is warm: a library loaded before all others counts every allocation of a process."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
COMPILER = shutil.which("cc") or shutil.which("gcc")

pytestmark = [
    pytest.mark.row("M6"),
    pytest.mark.skipif(not sys.platform.startswith("linux") or COMPILER is None, reason="needs glibc and a C compiler"),
]

PRELUDE = """
import ctypes, gc, os, sys
import numpy as np
import backpass as bp
from backpass import _core

shim = ctypes.CDLL(os.environ["LD_PRELOAD"])
shim.allocation_calls.restype = shim.allocation_live_bytes.restype = ctypes.c_long
threads = int(sys.argv[1])
_core.set_sharing_cut(False)
gc.disable()

rng = np.random.default_rng(0)
x = rng.standard_normal((100, 20)).astype(np.float32)
y = rng.integers(0, 5, 100)


def network():
    return bp.Sequential(
        bp.Dense(64, activation="relu"), bp.Dropout(0.2), bp.Dense(64), bp.GELU(), bp.Dense(5),
        input_shape=(20,), seed=1,
    )
"""

STEPS = """
trainer = bp.Trainer(network(), bp.CrossEntropy(), bp.{optimizer}, threads=threads)


def count(steps):
    before = shim.allocation_calls()
    for _ in range(steps):
        trainer.step(x, y)
    return shim.allocation_calls() - before


count(10)
print(count(20), count(40), count(80))
"""

THROUGH_TIME = """
x = x.reshape(100, 10, 2)


def network():
    gru = bp.GRU(16, reset_after=False, return_sequences=False)
    return bp.Sequential(bp.LSTM(16, num_layers=2, bidirectional=True), gru, bp.Dense(5), input_shape=(10, 2), seed=1)
"""

FIT = """
model = network()
fit = dict(loss=bp.CrossEntropy(), optimizer=bp.{optimizer}, batch_size=32, threads=threads, progress=False)


def count(rows):
    '''One epoch over some rows: the number of steps differs, what is said at the end of an epoch does not.'''
    before = shim.allocation_calls()
    model.fit(xs[:rows], ys[:rows], **fit)
    return shim.allocation_calls() - before


xs, ys = np.tile(x, (100, 1)), np.tile(y, 100)
for _ in range(2):
    count(320), count(960)
print(count(320), count(640), count(960))
"""

MEMORY = """
big = [bp.Dense(256, activation="tanh") for _ in range(6)]
before = shim.allocation_live_bytes()
model = bp.Sequential(*big, input_shape=(256,), seed=1)
trainer = bp.Trainer(model, bp.MSE(), bp.SGD(0.1), threads=threads)
inputs = rng.standard_normal((1024, 256)).astype(np.float32)
targets = rng.standard_normal((1024, 256)).astype(np.float32)
trainer.step(inputs, targets)
trainer.step(inputs, targets)
used = shim.allocation_live_bytes() - before - inputs.nbytes - targets.nbytes
print(model.memory_estimate(1024), used)
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    library = tmp_path_factory.mktemp("shim") / "count_allocations.so"
    source = HERE / "count_allocations.c"
    subprocess.run([COMPILER, "-shared", "-fPIC", "-O2", "-Wall", "-Werror", source, "-o", library, "-ldl"], check=True)
    return library


def measure(shim, program, threads):
    """The numbers that a program prints when it runs under the shim."""
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + program, str(threads)],
        env={**os.environ, "LD_PRELOAD": str(shim)}, capture_output=True, text=True, cwd=HERE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [int(word) for word in done.stdout.split()]


OPTIMIZERS = [
    "SGD(0.01)", "SGD(0.01, momentum=0.9)", "Adam()", "AdamW()", "NAdam()", "RMSprop(momentum=0.9, centered=True)",
    "Adam(clip_norm=0.1, clip_value=0.05, groups=[bp.Group('*.bias', 0.1)], decay='matrices', amsgrad=True)",
]  # fmt: skip


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_fit_allocates_nothing_per_step(shim, optimizer, threads):
    few, more, most = measure(shim, FIT.format(optimizer=optimizer), threads)
    assert few == more == most


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_trainer_step_allocates_nothing(shim, optimizer, threads):
    """Python's own objects come from its arenas; what reaches the allocators would grow with the number of steps."""
    few, more, most = measure(shim, STEPS.format(optimizer=optimizer), threads)
    assert few == more == most


@pytest.mark.parametrize("threads", [1, 2])
def test_a_walk_through_time_allocates_nothing(shim, threads):
    few, more, most = measure(shim, THROUGH_TIME + STEPS.format(optimizer="Adam()"), threads)
    assert few == more == most


def test_the_shim_counts(shim):
    """The same program with an allocation in the loop is caught."""
    program = STEPS.format(optimizer="Adam()").replace("trainer.step(x, y)", "trainer.step(x, y); np.empty(10**5)")
    few, more, _ = measure(shim, program, 1)
    assert more - few >= 20


@pytest.mark.row("M1")
def test_the_memory_estimate_is_within_a_tenth_of_what_is_allocated(shim):
    estimate, used = measure(shim, MEMORY, 1)
    assert abs(estimate / used - 1) < 0.1
