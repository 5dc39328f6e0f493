"""How often a forward is run: counted through a layer and a loss in NumPy."""

import numpy as np
import pytest

import backpass as bp

pytestmark = pytest.mark.row("A3")


class Counting(bp.Layer):
    """The identity."""

    def __init__(self):
        self.forwards = self.backwards = 0

    def forward(self, x):
        self.forwards += 1
        return x.copy() if isinstance(x, np.ndarray) else x

    def backward(self, grad, x):
        self.backwards += 1
        return (grad.copy(),)


class CountingLoss(bp.Loss):
    def __init__(self):
        self.calls = 0

    def value_and_grad(self, prediction, target, sample_weight=None):
        self.calls += 1
        return np.mean((prediction - target) ** 2), 2 * (prediction - target) / prediction.size


@pytest.fixture
def counting():
    return Counting()


@pytest.fixture
def watched(counting):
    return bp.Sequential(bp.Dense(4), counting, bp.Dense(2), input_shape=3, seed=0)


X, Y = np.ones((5, 3), np.float32), np.zeros((5, 2), np.float32)


@pytest.mark.parametrize(
    "run",
    [
        lambda model: model.backprop(X, Y, bp.MSE()),
        lambda model: model.value_and_grad(X, Y, bp.MSE()),
        lambda model: bp.Trainer(model, bp.MSE(), bp.SGD(0.1)).step(X, Y),
        lambda model: model.fit(X, Y, loss=bp.MSE(), optimizer=bp.SGD(0.1), progress=False),
    ],
    ids=["backprop", "value_and_grad", "step", "fit"],
)
def test_one_forward_and_one_backward_are_all(watched, counting, run):
    run(watched)
    assert (counting.forwards, counting.backwards) == (1, 1)


def test_backprop_asks_a_loss_once(watched):
    loss = CountingLoss()
    watched.backprop(X, Y, loss)
    assert loss.calls == 1


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (X, Y[:4], r"\[y\] expected 5 rows as x has"),
        (X, np.zeros((5, 3)), r"\[y\] expected shape \(5, 2\), got \(5, 3\)"),
        (X[:, :2], Y, r"\[x\] expected shape"),
        (X, np.full((5, 2), 1e300), r"\[backprop\] y has a value"),
    ],
    ids=["rows", "targets", "inputs", "range"],
)
def test_backprop_refuses_what_does_not_fit_before_anything_runs(watched, counting, x, y, words):
    with pytest.raises(ValueError, match=words):
        watched.backprop(x, y, bp.MSE())
    assert counting.forwards == 0


def test_backprop_refuses_labels_out_of_range(watched):
    with pytest.raises(ValueError, match=r"\[y\] labels must be in \[0, 2\), got 7 in row 1"):
        watched.backprop(X, [0, 7, 0, 1, 1], bp.CrossEntropy())


def test_backprop_of_several_outputs_needs_a_target_for_each():
    x = bp.Input(3)
    model = bp.Network(x, [bp.Dense(2)(x), bp.Dense(2)(x)], seed=0)
    with pytest.raises(TypeError, match=r"\[backprop\] y must be a list"):
        model.backprop(X, Y, bp.MSE())
    with pytest.raises(ValueError, match=r"\[loss\] expected one, or one for each of 2 outputs, got 3"):
        model.backprop(X, [Y, Y], [bp.MSE()] * 3)
