"""What a turn of the eager loop runs, and where its large arrays lie."""

import numpy as np
import pytest

import backpass as bp
from backpass import _core
from registry import generator


@pytest.mark.parametrize("units", [(8,), (50, 50, 50)])
@pytest.mark.parametrize("rows", [4, 1024])
def test_a_turn_runs_the_calls_of_a_step_of_training(units, rows):
    x, y = np.ones((rows, 3), np.float32), np.zeros((rows, 1), np.float32)
    model = bp.Sequential(*(bp.Dense(n, activation="tanh") for n in units), bp.Dense(1), input_shape=3, seed=0)
    plan = bp.Trainer(model, bp.MSE(), bp.SGD(0.1)).plan(rows)
    bp.MSE()(model(x), y).backward()
    expected = [(call.name, call.flops) for call in plan.calls if call.phase != "update" and call.name != "gather"]
    assert [(call.name, call.flops) for call in _core.eager_plan().calls] == expected


def test_large_arrays_of_turns_that_are_gone_make_room_for_others_only():
    rng = generator("eager plans")
    held, expected = [], []
    for turn in range(40):
        array = rng.standard_normal((257, 65 + turn % 3)).astype(np.float32)
        y = bp.tensor(array) * 2.0
        if turn % 4 == 0:
            held.append(y)
            expected.append(array * 2)
        assert float(bp.sum(y)) == pytest.approx(2 * float(array.sum()), rel=1e-3, abs=0.1)
    for y, array in zip(held, expected, strict=True):
        np.testing.assert_array_equal(y.numpy(), array)


def test_a_target_that_is_a_tensor_may_change_behind_the_loss():
    y = bp.tensor(np.zeros((2, 1), np.float32))
    prediction = bp.tensor(np.ones((2, 1), np.float32), requires_grad=True)
    loss = bp.MSE()(prediction, y)
    y.assign(np.full((2, 1), 5.0, np.float32))
    assert float(loss) == 1.0
    loss = bp.MSE()(prediction, y)
    assert float(loss) == 16.0
