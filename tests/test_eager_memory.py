"""Loops of many turns do not grow, whether somebody asks for values or not."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

import backpass as bp
from backpass import _core

LOOPS = {
    "training": """
        model = bp.Sequential(bp.Dense(8, activation="tanh"), bp.Dense(1), input_shape=2, seed=0)
        optimizer, loss = bp.SGD(model.parameters(), lr=0.01), bp.MSE()
        x, y = np.ones((4, 2), np.float32), np.zeros((4, 1), np.float32)
        total = bp.tensor(0.0)
        def turn():
            global total
            value = loss(model(x), y)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            total += value  # of which nobody asks the value
    """,
    "values that nobody asks for": """
        model = bp.Sequential(bp.Dense(8, activation="tanh"), bp.Dense(1), input_shape=2, seed=0)
        x = np.ones((4, 2), np.float32)
        total = bp.tensor(np.zeros((4, 1), np.float32))
        def turn():
            global total
            with bp.no_grad():
                total = total * 0.5 + model(x)
    """,
    "recordings that nobody differentiates": """
        w = bp.tensor([1.0, 2.0], requires_grad=True)
        def turn():
            return bp.sum(w * w)
    """,
    "a module that asks for values": """
        class Net(bp.Module):
            def __init__(self):
                super().__init__(seed=0)
                self.first, self.drop, self.last = bp.Dense(8, activation="tanh"), bp.Dropout(0.1), bp.Dense(1)
            def forward(self, x):
                h = self.drop(self.first(x))
                return self.last(h if float(bp.max(h)) > 0.5 else 2 * h)
        net, loss, x, y = Net(), bp.MSE(), np.ones((4, 2), np.float32), np.zeros((4, 1), np.float32)
        optimizer = bp.Adam(net.parameters(), lr=0.001)
        def turn():
            optimizer.zero_grad()
            loss(net(x), y).backward()
            optimizer.step()
    """,
    "updates by hand": """
        w = bp.tensor([1.0, 2.0], requires_grad=True)
        def turn():
            bp.sum(w * w).backward()
            with bp.no_grad():
                w.__isub__(0.001 * w.grad)
            w.grad = None
    """,
}


@pytest.mark.parametrize("loop", LOOPS)
def test_a_hundred_thousand_turns_do_not_grow(loop):
    program = "import resource\nimport numpy as np\nimport backpass as bp\n" + textwrap.dedent(LOOPS[loop])
    program += textwrap.dedent("""
        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kilobytes
        for _ in range(5_000):
            turn()
        before = peak()
        for _ in range(100_000):
            turn()
        print(peak() - before)
    """)
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=600)
    assert int(run.stdout) < 4_000


def test_a_long_chain_of_recorded_ops():
    """Nothing is as deep as the chain is long, neither asking, nor backward, nor letting go."""
    x = bp.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(20_000):
        y = y * 1.0001
    del y
    y = x
    for _ in range(1_000):
        y = y * 1.001
    y.backward()
    assert float(x.grad) == pytest.approx(1.001**1000, rel=1e-4)
    assert float(y) == pytest.approx(1.001**1000, rel=1e-4)


def test_plans_of_old_structures_go():
    x = bp.tensor(np.ones(3))
    for n in range(200):
        y = x
        for _ in range(n % 20):
            y = bp.tanh(y)
        (y * bp.tensor(np.ones((n + 1, 1)))).numpy()
    kept, compiled = _core.eager_cache()
    assert kept <= 128 < compiled


def test_a_cached_plan_keeps_no_model_alive():
    import gc
    import weakref

    def weights():
        model = bp.Sequential(bp.Dense(4), input_shape=3, seed=0)
        bp.MSE()(model(np.ones((2, 3))), np.zeros((2, 4))).backward()
        return weakref.ref(model)

    dead = weights()
    gc.collect()
    assert dead() is None
