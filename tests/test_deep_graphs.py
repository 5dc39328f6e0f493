"""Graphs of hundreds of thousands of operations, and objects that nothing lies behind: no crash."""

import copy
import inspect
import subprocess
import sys

import pytest

import backpass as bp
from backpass import _core

DEEP = """
import resource
resource.setrlimit(resource.RLIMIT_STACK, (256 * 1024, 256 * 1024))
import threading
import numpy as np
import backpass as bp

def work():
    x = y = bp.input((), dtype="float64", name="x")
    for _ in range({length}):
        y = y + x
    {what}
    del x, y

threading.stack_size(256 * 1024)
thread = threading.Thread(target=work)
thread.start()
thread.join()
print("done")
"""


def in_a_child(what, length):
    program = DEEP.format(length=length, what=what)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.endswith("done\n"), f"{done.returncode}\n{done.stdout[-400:]}\n{done.stderr[-2000:]}"


def test_a_long_chain_is_released():
    in_a_child("pass", 300_000)


@pytest.mark.parametrize(
    "what",
    [
        "assert bp.Graph([x], [y])(2.0)[0] == 2.0 * 20001",
        "assert bp.Graph([x], bp.gradients(y, [x]))(2.0)[0] == 20001",
        "assert str(bp.Graph([x], [y])).count('\\n') == 20002",
        "assert bp.Graph([x], [y]).to_dot().count('->') == 40000",
    ],
)
def test_a_long_chain_is_walked(what):
    in_a_child(what, 20_000)


CLASSES = [kind for _, kind in inspect.getmembers(_core, inspect.isclass) if not issubclass(kind, BaseException)]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_no_object_is_made_with_nothing_behind_it(kind):
    with pytest.raises(TypeError):
        kind.__new__(kind)
    with pytest.raises(TypeError):
        kind.__new__(kind, 1, 2)
    mine = type("Mine", (kind,), {})
    with pytest.raises(TypeError):
        mine.__new__(mine)


def test_a_tensor_is_not_copied_into_nothing():
    with pytest.raises(TypeError):
        copy.copy(bp.input((3,)))


def test_a_class_of_ones_own_from_a_graph_still_works():
    class Mine(bp.Graph):
        pass

    x = bp.input((2,))
    assert Mine([x], [x * 2])([1.0, 2.0])[0].tolist() == [2.0, 4.0]
