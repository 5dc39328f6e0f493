"""Operations one by one, as they come, and the same compiled to a plan: static and dynamic graphs agree."""

import numpy as np
import pytest

import backpass as bp
from registry import DTYPES, generator


class Tape:
    """Runs each operation at once, and remembers it: the dynamic graph of eager mode, in a few lines."""

    def __init__(self):
        self.entries = []  # (operation, its inputs' numbers, its output's number)
        self.values = []

    def leaf(self, array):
        self.values.append(array)
        return len(self.values) - 1

    def run(self, operation, *reads):
        arrays = [self.values[at] for at in reads]
        inputs = self._inputs(arrays)
        (value,) = bp.Graph(inputs, [operation(*inputs)])(*arrays)
        self.entries.append((operation, reads, len(self.values)))
        return self.leaf(value)

    def gradients(self, of, by):
        """Backwards over the tape, one operation at a time."""
        grads = {of: np.ones_like(self.values[of])}
        for operation, reads, at in reversed(self.entries):
            arrays = [self.values[k] for k in reads]
            inputs = self._inputs([*arrays, grads[at]])
            parts = bp.gradients(operation(*inputs[:-1]), inputs[:-1], inputs[-1])
            for k, part in zip(reads, bp.Graph(inputs, parts)(*arrays, grads[at]), strict=True):
                grads[k] = grads[k] + part if k in grads else part
        return [grads[at] for at in by]

    @staticmethod
    def _inputs(arrays):
        return [bp.input(array.shape, array.dtype.name, f"x{k}") for k, array in enumerate(arrays)]


def dense(x, weight, bias):
    return bp.matmul(x, weight, transpose_b=True) + bias


@pytest.mark.row("A15")
@pytest.mark.parametrize("dtype", DTYPES)
def test_eager_and_compiled_agree(dtype):
    """A network with a branch: fused and planned as a whole, or every operation by itself."""
    x = bp.Input(4, dtype=dtype)
    first, second, third = bp.Dense(6, activation="gelu"), bp.Dense(6), bp.Dense(2)
    hidden = first(x)
    model = bp.Network(x, third(hidden * bp.tanh(second(hidden)) + hidden), seed=1)
    rng = generator("eager")
    rows, y = rng.standard_normal((9, 4)).astype(dtype), rng.standard_normal((9, 2)).astype(dtype)

    tape = Tape()
    w = {name: tape.leaf(value.copy()) for name, value in model.parameters().items()}
    start, target = tape.leaf(rows), tape.leaf(y)
    a = tape.run(bp.gelu, tape.run(dense, start, w["0.weight"], w["0.bias"]))
    gate = tape.run(bp.tanh, tape.run(dense, a, w["1.weight"], w["1.bias"]))
    mixed = tape.run(lambda p, q: p + q, tape.run(lambda p, q: p * q, a, gate), a)
    output = tape.run(dense, mixed, w["2.weight"], w["2.bias"])
    squares = tape.run(lambda p, q: bp.square(p - q), output, target)
    loss = tape.run(bp.mean, squares)
    grads = tape.gradients(loss, w.values())

    limit = 1e-6 if dtype == "float32" else 1e-14
    np.testing.assert_allclose(model.predict(rows), tape.values[output], rtol=limit, atol=limit)
    value, compiled = model.value_and_grad(rows, y, bp.MSE())
    assert value == pytest.approx(tape.values[loss].item(), rel=limit)
    for name, grad in zip(w, grads, strict=True):
        np.testing.assert_allclose(compiled[name], grad, rtol=limit, atol=limit)


@pytest.mark.row("A15")
@pytest.mark.row("A27")
@pytest.mark.parametrize("dtype", DTYPES)
def test_training_by_hand_and_by_plan_agree(dtype):
    """forward, loss, backward and update as four calls; and as the one plan of a trainer's step."""
    rng = generator("by hand")
    rows, y = rng.standard_normal((16, 4)), rng.integers(0, 3, 16)
    by_hand, by_plan = (
        bp.Sequential(bp.Dense(8, activation="tanh"), bp.Dense(3), input_shape=4, seed=1, dtype=dtype) for _ in range(2)
    )
    adam, trainer, loss = bp.Adam(0.01), bp.Trainer(by_plan, bp.CrossEntropy(), bp.Adam(0.01)), bp.CrossEntropy()
    limit = 1e-5 if dtype == "float32" else 1e-12
    for _ in range(20):
        value, grad = loss.value_and_grad(by_hand.forward(rows), y)
        by_hand.zero_grad()
        by_hand.backward(grad)
        adam.step(by_hand)
        assert value == pytest.approx(trainer.step(rows, y), rel=limit)
    np.testing.assert_allclose(by_hand.flat_parameters, by_plan.flat_parameters, rtol=limit, atol=limit)
