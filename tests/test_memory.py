"""The memory that training takes: foretold within a tenth of what the system counts, and linear in depth."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import backpass as bp

pytestmark = pytest.mark.row("M1")

# Prints what was foretold, and by how much the resident memory of a fresh process grew.
PROGRAM = """
import ctypes, gc, os, sys
import numpy as np
import backpass as bp

width, depth, rows, way = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]


def resident():
    '''Bytes, without what has been freed and not yet given back.'''
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE")


def network(width, depth):
    return bp.Sequential(*[bp.Dense(width, activation="tanh") for _ in range(depth)], input_shape=width, seed=0)


def by_hand(model, x, y):
    model.forward(x)
    model.backward(y)


def stepped(model):
    '''A function that trains on x and y, and the estimate that belongs to it.'''
    if way == "by hand":
        return (lambda x, y: by_hand(model, x, y)), model.memory_estimate
    trainer = bp.Trainer(model, bp.MSE(), eval("bp." + way))
    return trainer.step, trainer.memory_estimate


x, y = (np.random.default_rng(seed).standard_normal((rows, width), dtype=np.float32) for seed in (0, 1))
warm, _ = stepped(network(8, 2))
warm(x[:64, :8], y[:64, :8])
before = resident()
train, estimate = stepped(network(width, depth))
for _ in range(3):
    train(x, y)
print(resident() - before, estimate(rows))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
@pytest.mark.parametrize("way", ["SGD(0.01)", "SGD(0.01, momentum=0.9)", "Adam()", "by hand"])
@pytest.mark.parametrize(("width", "depth", "rows"), [(1024, 6, 512), (256, 20, 4096)], ids=["wide", "deep"])
def test_the_estimate_is_within_a_tenth_of_the_resident_memory(width, depth, rows, way):
    arguments = [sys.executable, "-c", PROGRAM, str(width), str(depth), str(rows), way]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    measured, estimate = map(int, done.stdout.split())
    assert 50e6 < measured < 200e6
    assert abs(estimate / measured - 1) < 0.1, f"{estimate} foretold, {measured} measured"


@pytest.mark.parametrize("rows", [1, 48, 128])
def test_what_is_kept_grows_by_one_activation_for_each_layer(rows):
    """Backward needs the output of every layer; other values share memory, however deep the network."""
    width, depths = 64, range(3, 15)

    def arenas(plan):
        return np.array([plan(layers(depth)).arena_bytes for depth in depths])

    def layers(depth):
        return bp.Sequential(*(bp.Dense(width, activation="tanh") for _ in range(depth)), input_shape=width, seed=0)

    activation = rows * width * 4
    trained = arenas(lambda model: bp.Trainer(model, bp.MSE(), bp.Adam()).plan(rows))
    np.testing.assert_array_equal(np.diff(trained), activation)
    by_hand = arenas(lambda model: model.plan(rows, training=True))
    np.testing.assert_array_equal(np.diff(by_hand), activation)
    predicted = arenas(lambda model: model.plan(rows))
    np.testing.assert_array_equal(np.diff(predicted), 0)
