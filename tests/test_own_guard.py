"""Optimizers written in Python, where the gradient is not finite, or what they make of it."""

import numpy as np
import pytest

import backpass as bp
from test_guard import line, state_of, steep


class Composed(bp.Optimizer):
    """The sign of a gradient that is not finite is finite."""

    slots = ("seen",)

    def update(self, weight, grad, slots, learning_rate, step):
        return weight - learning_rate * bp.sign(grad), {"seen": slots["seen"] + bp.sign(grad)}


class ByHand(bp.Optimizer):
    slots = ("seen",)

    def step(self, model):
        seen = self.slot(model, "seen")
        seen += np.sign(model.flat_gradients)
        model.flat_parameters[:] -= self.current_learning_rate * np.sign(model.flat_gradients)


class Adam(bp.Adam):
    def step(self, model):
        super().step(model)


class Lion(bp.Lion):
    """One that is called by hand, and counts itself."""

    def step(self, model):
        self.calls = getattr(self, "calls", 0) + 1
        super().step(model)


def own(cls):
    return lambda: cls(cls.__name__, {"learning_rate": 0.1})


MAKE = {"composed": own(Composed), "numpy": own(ByHand), "Adam": lambda: Adam(0.1), "Lion": lambda: Lion(0.1)}
kinds = pytest.mark.parametrize("kind", MAKE)


@kinds
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_gradient_that_overflows_changes_nothing(kind, dtype):
    model, optimizer = line(dtype), MAKE[kind]()
    trainer = bp.Trainer(model, bp.MSE(), optimizer)
    assert np.isnan(trainer.step(*steep(dtype)))
    assert (model.flat_parameters.tolist(), optimizer.steps) == ([0.0], 0)
    assert np.isfinite(trainer.step([[1.0]], [[1.0]]))
    weights, state = model.flat_parameters.copy(), state_of(optimizer)
    assert weights[0] != 0
    model.flat_gradients[:] = np.inf
    with pytest.raises(bp.NotFiniteError):
        optimizer.step(model)
    assert optimizer.steps == 1
    assert (model.flat_parameters.tolist(), state_of(optimizer)) == (weights.tolist(), state)


@kinds
@pytest.mark.parametrize("accumulate", [1, 2])
def test_fit_says_where(kind, accumulate):
    model, optimizer = line(), MAKE[kind]()
    with pytest.raises(bp.DivergedError, match=r"the update is not finite in epoch 0, batch .; first in the grad") as e:
        model.fit(*steep(rows=2), loss=bp.MSE(), optimizer=optimizer, batch_size=1, accumulate=accumulate)
    assert (e.value.layer, e.value.batch) == ("the gradient", accumulate - 1)
    assert model.flat_parameters.tolist() == [0.0]
    assert optimizer.steps == 0


@kinds
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_by_hand_the_parameter_is_named(kind, bad):
    model, optimizer = bp.Sequential(bp.Dense(3), bp.Dense(2), input_shape=2, seed=0), MAKE[kind]()
    before = model.flat_parameters.copy()
    model.gradients()["1.weight"][1, 2] = bad
    named = rf'^\[{type(optimizer).__name__}\] nothing was updated: the gradient of "1.weight" is not finite'
    with pytest.raises(bp.NotFiniteError, match=named):
        optimizer.step(model)
    np.testing.assert_array_equal(model.flat_parameters, before)


@kinds
def test_what_is_frozen_has_no_gradient(kind):
    model, optimizer = bp.Sequential(bp.Dense(3), bp.Dense(2), input_shape=2, seed=0), MAKE[kind]()
    model.freeze("0.*")
    model.flat_gradients[:] = 1
    model.gradients()["0.weight"] = model.parameters()["0.bias"] = np.nan
    before = model.state_dict()
    optimizer.step(model)
    for name, value in model.parameters().items():
        assert np.array_equal(value, before[name], equal_nan=True) == name.startswith("0."), name
    assert optimizer.steps == 1


class Squares(bp.Optimizer):
    """A slot that overflows beside a weight that does not."""

    slots = ("square",)

    def update(self, weight, grad, slots, learning_rate, step):
        square = slots["square"] + bp.square(grad)
        return weight - learning_rate * grad / bp.sqrt(square + 1.0), {"square": square}


def test_a_slot_that_overflows_changes_nothing():
    model, optimizer = line(), own(Squares)()
    model.flat_gradients[:] = 1e15
    optimizer.step(model)
    weights, state = model.flat_parameters.copy(), state_of(optimizer)
    model.flat_gradients[:] = 1e25
    with pytest.raises(bp.NotFiniteError, match=r"^\[Squares\] nothing was updated: the step is too long"):
        optimizer.step(model)
    assert (model.flat_parameters.tolist(), state_of(optimizer)) == (weights.tolist(), state)


class Throwing(bp.Optimizer):
    def step(self, model):
        raise bp.NotFiniteError("[Throwing] no")


def test_a_step_of_ones_own_may_tell():
    model = line()
    with pytest.raises(bp.DivergedError, match="first in the update"):
        model.fit([[1.0]], [[1.0]], loss=bp.MSE(), optimizer=own(Throwing)())
    with pytest.raises(bp.NotFiniteError, match="no"):
        own(Throwing)().step(model)
