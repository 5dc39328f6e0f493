"""The threads that help a call: they come with the first one, take no signals, and go when nobody needs them."""

import subprocess
import sys

import pytest

BEGIN = """
import os, signal, time
import numpy as np
import backpass as bp
from backpass import _core

_core.set_sharing_cut(False)
x = np.random.default_rng(0).standard_normal((512, 64)).astype(np.float32)
model = bp.Sequential(bp.Dense(256), bp.ReLU(), bp.Dense(128), input_shape=64, seed=0)
expected = model.predict(x, threads=1)

def tasks():
    return {*os.listdir("/proc/self/task")}

def wait_until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)

before = tasks()
for _ in range(100):
    assert (model.predict(x, threads=3) == expected).all()
wait_until(lambda: len(tasks() - before) == 2)
"""


def run(script):
    done = subprocess.run([sys.executable, "-c", BEGIN + script], timeout=120, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_helpers_take_no_signals_of_the_program():
    run("""
def blocked(task):
    with open(f"/proc/self/task/{task}/status") as file:
        return next(int(line.split()[1], 16) for line in file if line.startswith("SigBlk"))

for task in tasks() - before:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGUSR1):
        assert blocked(task) >> (number - 1) & 1
    assert not blocked(task) >> (signal.SIGSEGV - 1) & 1
assert blocked(os.getpid()) == 0
""")


def test_a_second_call_has_the_same_helpers():
    run("""
helpers = tasks() - before
for threads in (3, 2, 3):
    model.predict(x, threads=threads)
assert tasks() - before == helpers
""")


@pytest.mark.slow
def test_helpers_that_nobody_needs_go_and_others_come():
    run("""
for _ in range(2):
    wait_until(lambda: tasks() == before)
    assert (model.predict(x, threads=3) == expected).all()
    wait_until(lambda: len(tasks() - before) == 2)
""")
