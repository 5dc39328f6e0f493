"""Optimizers written in Python that fail or cannot be used."""

import numpy as np
import pytest

import backpass as bp
from test_own_optimizers import FIT, ByHand, network


class Exploding(bp.Optimizer):
    def update(self, weight, grad, slots, learning_rate, step):
        return weight * 1e30


class ExplodingByHand(bp.Optimizer):
    def step(self, model):
        model.flat_parameters[:] *= np.float32(1e30)


@pytest.mark.parametrize("cls", [Exploding, ExplodingByHand])
def test_weights_that_are_not_finite_are_never_left(data, cls):
    model, optimizer = network("float32"), cls("Exploding", {"learning_rate": 1.0})
    trainer = bp.Trainer(model, bp.CrossEntropy(), optimizer)
    with np.errstate(over="ignore"):
        while np.isfinite(trainer.step(*data)):
            assert optimizer.steps < 4
        before, steps = model.flat_parameters.copy(), optimizer.steps
        assert np.isfinite(before).all()
        with pytest.raises(bp.DivergedError):
            model.fit(*data, optimizer=optimizer, **FIT)
        model.flat_parameters[:] = before
        with pytest.raises(ValueError, match="finite"):
            optimizer.step(model)
    np.testing.assert_array_equal(model.flat_parameters, before)
    assert optimizer.steps == steps


def test_an_exception_in_a_step_undoes_it_and_passes_on(data):
    class Failing(bp.SGD):
        def step(self, model):
            super().step(model)
            raise RuntimeError("no more")

    model = network()
    before = model.flat_parameters.copy()
    with pytest.raises(RuntimeError, match="no more"):
        model.fit(*data, optimizer=Failing(0.1), **FIT)
    np.testing.assert_array_equal(model.flat_parameters, before)


class NoUpdate(bp.Optimizer):
    def __init__(self):
        super().__init__("NoUpdate", {"learning_rate": 0.1})


class Forgetful(bp.Optimizer):
    def __init__(self):
        self.rate = 0.1

    def step(self, model):
        pass


def giving(*results):
    class Giving(bp.Optimizer):
        slots = ("a",)

        def update(self, weight, grad, slots, learning_rate, step):
            return results[0] if len(results) == 1 else (results[0](weight), {"a": results[1](weight)})

    return Giving("Giving", {"learning_rate": 0.1})


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (NoUpdate, TypeError, r"^\[NoUpdate\] an optimizer of your own needs update or step"),
        (lambda: Exploding("Exploding", {}), TypeError, r"^\[Exploding\] settings must have a learning_rate"),
        (lambda: ByHand(clip_norm=1.0), ValueError, r"^\[ByHand\] a step of your own takes no clip_norm"),
        (lambda: ByHand(groups=[bp.Group("*")]), ValueError, r"^\[ByHand\] a step of your own takes no groups"),
        (Forgetful, AttributeError, r"^\[Forgetful\] call super\(\).__init__"),
        (lambda: giving(None), TypeError, r"^\[Giving\] update must return the new weight, and a dict of the new a"),
        (lambda: giving(lambda w: w, lambda w: 1.0), TypeError, r"^\[Giving\] update must return"),
        (lambda: giving(lambda w: bp.sum(w), lambda w: w), ValueError,
         r'^\[Giving\] update of "0.weight" must give tensors of shape \(8, 4\) and float64, got \(\)'),
        (lambda: giving(lambda w: w, lambda w: bp.constant(np.zeros(w.shape), dtype="float32")), ValueError,
         r"must give tensors of shape \(8, 4\) and float64"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_the_reason(data, make, error, words):
    model = network()
    before = model.flat_parameters.copy()
    with pytest.raises(error, match=words):
        model.fit(*data, optimizer=make(), **FIT)
    np.testing.assert_array_equal(model.flat_parameters, before)


def test_a_setting_that_the_core_s_optimizer_has_not_is_refused():
    with pytest.raises(TypeError, match=r"\[SGD\] has no setting 'momentun'; did you mean 'momentum'\?"):
        bp.Optimizer("SGD", {"learning_rate": 0.1, "momentun": 0.9})
