"""Threads that cannot be had: fewer are used, results are the same, and it is said once."""

import os
import subprocess
import sys

import pytest

import backpass as bp

BEGIN = """
import resource, sys, threading, warnings
import numpy as np
import backpass as bp
from backpass import _core

_core.set_sharing_cut(False)
warnings.simplefilter("always")
x, y = np.ones((64, 8), np.float32), np.arange(64) % 2

def build():
    return bp.Sequential(bp.Dense(32), bp.ReLU(), bp.Dense(2), input_shape=8, seed=0)

def trained(threads):
    model = build()
    model.fit(x, y, loss=bp.CrossEntropy(), optimizer=bp.SGD(0.1), threads=threads, epochs=2)
    return model.flat_parameters.copy()

def status(key):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(key))

def compare(threads):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        results = [trained(n) for n in threads]
    assert all((result == expected).all() for result in results)
    print(*[f"{one.category.__name__}: {one.message}" for one in said], sep="\\n")

expected = trained(1)
"""
# Memory for what a fit needs beside, and for the stacks of so many threads as fit.
ADDRESSES = """
threading.stack_size(0)
resource.setrlimit(resource.RLIMIT_STACK, (8 << 20, resource.getrlimit(resource.RLIMIT_STACK)[1]))
limit = status("VmSize") * 1024 + (%d << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
"""


def said(script, **options):
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + script], timeout=120, capture_output=True, text=True, **options
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [line for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize("megabytes", [4, 20, 40])
def test_without_room_for_their_stacks_fewer_are_used(megabytes):
    lines = said(ADDRESSES % megabytes + "compare([2, 8, 16, 2, 8])")
    assert len(lines) == 1
    assert lines[0].startswith("ThreadShortageWarning: ")


@pytest.mark.skipif(os.getuid() != 0, reason="needs an account without processes")
@pytest.mark.parametrize("others", [0, 1, 3])
def test_without_leave_for_more_fewer_are_used(others):
    script = f"""
import os
os.setgroups([])
limit = len(os.listdir("/proc/self/task")) + {others}  # NumPy has threads, too
resource.setrlimit(resource.RLIMIT_NPROC, (limit, limit))
os.setresgid(54321, 54321, 54321)
os.setresuid(54321, 54321, 54321)
compare([8, 2, 8])
"""
    lines = said(script)
    assert len(lines) == 1
    assert lines[0].startswith(f"ThreadShortageWarning: {1 + others} threads are used where 8 were asked for")


def test_numbers_beyond_what_helps_are_capped():
    most = max(16, 4 * bp.cpu_info()["logical_cpus"])
    lines = said("compare([10**5, 2**31 - 1, 2])")
    assert len(lines) == 1
    assert f"{most} threads are used where 100000 were asked for" in lines[0]


def test_every_call_that_takes_a_number_caps_it():
    script = """
model = build()
trainer = bp.Trainer(model, bp.CrossEntropy(), bp.SGD(0.1), threads=10**5)
trainer.step(x, y)
assert (model.predict(x, threads=10**5) == model.predict(x, threads=1)).all()
bp.set_threads(10**6)
assert bp.get_threads() < 10**6
model.forward(x)
model.backward(np.ones((64, 2)))
"""
    assert said(script) == []  # on stderr, where a warning goes


def test_a_warning_that_is_an_error_is_raised_and_changes_no_result():
    script = """
model = build()
with warnings.catch_warnings():
    warnings.simplefilter("error")
    try:
        model.predict(x, threads=10**5)
    except bp.ThreadShortageWarning:
        print("raised")
print((model.predict(x, threads=10**5) == model.predict(x, threads=1)).all())
"""
    assert said(script) == ["raised", "True"]


def test_a_stream_without_a_thread_is_refused():
    script = (
        ADDRESSES % 4
        + """
try:
    build().fit(lambda: iter([(x, y)]), loss=bp.CrossEntropy(), optimizer=bp.SGD(0.1))
except RuntimeError as error:
    print(error)
"""
    )
    assert said(script)[0].startswith("[Stream] needs a thread of its own")
