"""What one model has frozen and another trains: whose gradients are cleared, and who is told of untrained weights."""

import warnings

import numpy as np
import pytest

import backpass as bp


@pytest.fixture
def gan():
    generator = bp.Sequential(bp.Dense(4, activation="relu"), bp.Dense(2), input_shape=3, seed=0, dtype="float64")
    critic = bp.Sequential(bp.Dense(4, activation="relu"), bp.Dense(1), input_shape=2, seed=1, dtype="float64")
    z = bp.Input(3, dtype="float64")
    return generator, critic, bp.Network(z, critic(generator(z)), seed=2)


def accumulate(model, x):
    model.backward(np.ones_like(model.forward(x)))
    return model.flat_gradients.copy()


def test_gradients_that_another_accumulates_stay(gan, rng):
    generator, critic, both = gan
    left = accumulate(critic, rng.standard_normal((5, 2)))
    both.freeze(critic)
    np.testing.assert_array_equal(critic.flat_gradients, left)
    accumulate(both, rng.standard_normal((5, 3)))
    assert generator.flat_gradients.any()
    both.zero_grad()
    np.testing.assert_array_equal(critic.flat_gradients, left)
    assert not generator.flat_gradients.any()
    options = {"loss": "mse", "optimizer": bp.SGD(0.1), "batch_size": 2, "accumulate": 2, "progress": False}
    both.fit(rng.standard_normal((6, 3)), np.ones(6), **options)
    np.testing.assert_array_equal(critic.flat_gradients, left)
    critic.zero_grad()
    assert not critic.flat_gradients.any()


def test_ones_own_gradients_are_zero_once_they_are_frozen(rng):
    """An optimizer of one's own goes by all gradients."""
    model = bp.Sequential(bp.Dense(4), bp.Dense(1), input_shape=3, seed=0)
    accumulate(model, rng.standard_normal((5, 3)))
    model.freeze("0.*")
    assert not model.gradients()["0.weight"].any()
    assert model.gradients()["1.weight"].any()


def test_what_is_told_of_frozen_parameters_is_zero(gan, rng):
    """Whatever another model has left there: in value_and_grad, and for SciPy."""
    _, critic, both = gan
    accumulate(critic, rng.standard_normal((5, 2)))
    both.freeze(critic)
    x, y = rng.standard_normal((5, 3)), np.ones(5)
    objective = both.objective(x, y, "mse")
    gradient = objective.jac(objective.x0)
    _, grads = both.value_and_grad(x, y, "mse")
    np.testing.assert_array_equal(gradient, np.concatenate([grad.ravel() for grad in grads.values()]))
    shared = {name: grad for name, grad in grads.items() if name in both.frozen}
    assert len(shared) == 4
    assert not any(grad.any() for grad in shared.values())


def test_a_generator_is_asked_before_its_gan_has_learnt(gan, rng):
    generator, critic, both = gan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        generator.predict(rng.standard_normal((5, 3)))
        both.predict(rng.standard_normal((5, 3)))
        critic.predict(rng.standard_normal((5, 2)))
    alone = bp.Sequential(bp.Dense(2), input_shape=3, seed=0)
    with pytest.warns(bp.UserMistakeWarning, match="has not been trained"):
        alone.predict(np.ones((1, 3)))


def test_a_model_that_shares_no_longer_is_told(rng):
    trunk = bp.Sequential(bp.Dense(2), input_shape=3, seed=0)
    z = bp.Input(3)
    head = bp.Network(z, bp.Dense(1)(trunk(z)), seed=1)
    trunk.predict(np.ones((1, 3)))
    del head, z
    with pytest.warns(bp.UserMistakeWarning, match="has not been trained"):
        trunk.predict(np.ones((1, 3)))
