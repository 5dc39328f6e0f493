"""Weight decay that follows a schedule: by hand, in fit, by groups, as operations, and what is refused."""

import pickle

import numpy as np
import pytest

import backpass as bp

FACTORS = [(1 + np.cos(np.pi * np.clip((t - 1) / 3, 0, 1))) / 2 for t in range(6)]  # of FlatCosine(4, 0.25)


def one_weight(value=2.0):
    model = bp.Sequential(bp.Dense(1, bias=False), input_shape=1, dtype="float64", seed=0)
    model.flat_parameters[:] = value
    return model


def test_decoupled_decay_follows_it_while_gradients_are_zero():
    model, optimizer = one_weight(), bp.AdamW(0.5, weight_decay=0.5, decay_schedule=bp.FlatCosine(4, flat=0.25))
    wanted = 2.0
    for factor in FACTORS:
        optimizer.step(model)
        wanted *= 1 - 0.5 * 0.5 * factor
        assert model.flat_parameters[0] == pytest.approx(wanted, rel=1e-12)


def test_coupled_decay_follows_it():
    model, optimizer = one_weight(), bp.SGD(0.5, weight_decay=0.5, decay_schedule=bp.ExponentialDecay(0.5))
    for _ in range(3):
        optimizer.step(model)
    assert model.flat_parameters[0] == pytest.approx(2 * 0.75 * 0.875 * 0.9375, rel=1e-12)


def test_decay_of_a_group_follows_it_and_both_schedules_multiply():
    groups = [bp.Group("*.weight", learning_rate=2.0, weight_decay=0.1)]
    schedule, decay = bp.ExponentialDecay(0.5), bp.PolynomialDecay(4)
    model = one_weight()
    optimizer = bp.AdamW(1.0, weight_decay=9.0, groups=groups, schedule=schedule, decay_schedule=decay)
    for _ in range(2):
        optimizer.step(model)
    assert model.flat_parameters[0] == pytest.approx(2 * (1 - 2 * 0.1) * (1 - 1.0 * 0.1 * 0.75), rel=1e-12)


def test_a_schedule_by_epochs_waits_for_them():
    model = one_weight()
    optimizer = bp.AdamW(0.5, weight_decay=0.5, decay_schedule=bp.ExponentialDecay(0.5, per="epoch"))
    x, y = np.zeros((4, 1)), np.zeros((4, 1))
    model.fit(x, y, loss=bp.MSE(), optimizer=optimizer, epochs=2, batch_size=2)
    assert model.flat_parameters[0] == pytest.approx(2 * 0.75**2 * 0.875**2, rel=1e-12)


@pytest.mark.parametrize("make", [bp.AdamW, bp.Lion])
def test_a_pure_step_is_the_same(make):
    model, optimizer = one_weight(), make(0.1, weight_decay=0.5, decay_schedule=bp.FlatCosine(4, flat=0.25))
    weight = np.full((1, 1), 2.0)
    state = optimizer.init(weight)
    for gradient in (0.5, -1.0, 2.0):
        model.flat_gradients[:] = gradient
        optimizer.step(model)
        weight, state = optimizer.apply(weight, np.full((1, 1), gradient), state)
        assert float(weight[0, 0]) == pytest.approx(model.flat_parameters[0], rel=1e-12)


def test_copies_have_it():
    optimizer = bp.AdamW(0.5, decay_schedule=bp.FlatCosine(4))
    assert repr(pickle.loads(pickle.dumps(optimizer))) == repr(optimizer)
    assert "decay_schedule=FlatCosine(steps=4, flat=0.5)" in repr(optimizer)


def test_what_is_refused():
    with pytest.raises(TypeError, match="decay_schedule must be a schedule such as CosineAnnealing"):
        bp.AdamW(decay_schedule=3)
    coupled = bp.Adam(0.1, weight_decay=0.5, decay_schedule=bp.FlatCosine(4))
    with pytest.raises(ValueError, match="decay_schedule has no place in apply"):
        coupled.apply(np.ones(1), np.ones(1), coupled.init(np.ones(1)))

    class Own(bp.Optimizer):
        def update(self, weight, grad, slots, learning_rate, step):
            return weight - learning_rate * grad

    with pytest.raises(ValueError, match="takes no decay_schedule"):
        Own("Own", {"learning_rate": 0.1, "weight_decay": 0.1}, decay_schedule=bp.FlatCosine(4))
