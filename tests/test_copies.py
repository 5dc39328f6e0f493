"""Copies and pickles of models, descriptions and optimizers."""

import copy

import numpy as np
import pytest

import backpass as bp
from test_api import by_pickle, fit


@pytest.mark.parametrize("twin", [copy.deepcopy, by_pickle])
def test_copies_predict_the_same_and_go_their_own_way(model, data, twin):
    fit(model, *data)
    other = twin(model)
    np.testing.assert_array_equal(other.predict(data[0]), model.predict(data[0]))
    assert other.evaluate(*data) == model.evaluate(*data)
    assert (other.layers, other.seed, other.dtype) == (model.layers, model.seed, model.dtype)
    other.flat_parameters[:] = 0
    assert model.flat_parameters.any()


def test_a_shallow_copy_shares_the_weights(model):
    other = copy.copy(model)
    other.flat_parameters[:] = 0
    assert not model.flat_parameters.any()


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, by_pickle])
def test_a_model_without_shape_can_be_copied(twin):
    other = twin(bp.Sequential(bp.Dense(3), seed=4))
    other.build(2)
    np.testing.assert_array_equal(
        other.flat_parameters, bp.Sequential(bp.Dense(3), input_shape=2, seed=4).flat_parameters
    )


@pytest.mark.parametrize("thing", [bp.MSE(), bp.Dense(3), bp.EarlyStopping(), bp.Sequential(bp.Dense(2))])
def test_descriptions_can_be_pickled(thing):
    assert repr(by_pickle(thing)) == repr(thing) or not isinstance(thing, (bp.Loss, bp.Layer))


def test_an_optimizer_can_be_pickled_with_its_steps(model):
    adam = bp.Adam(0.5, weight_decay=0.25)
    assert repr(by_pickle(adam)) == repr(adam)
    adam.step(model)
    again = by_pickle(adam)
    assert (repr(again), again.steps) == (repr(adam), 1)


def test_a_diverged_error_can_be_pickled(model, data):
    model.flat_parameters[:] = np.inf
    with pytest.raises(bp.DivergedError) as caught:
        fit(model, *data)
    assert isinstance(caught.value, RuntimeError)
    again = by_pickle(caught.value)
    assert (again.epoch, again.batch, again.layer) == (0, 0, caught.value.layer)


def test_weights_can_be_loaded_alone(model, tmp_path):
    model.save(tmp_path / "model.safetensors")
    other = bp.Sequential(bp.Dense(8, activation="tanh"), bp.Dense(3), input_shape=4, seed=99)
    other.load_weights(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(other.flat_parameters, model.flat_parameters)
    wrong = bp.Sequential(bp.Dense(8), bp.Dense(2), input_shape=4, seed=99)
    before = wrong.flat_parameters.copy()
    with pytest.raises(ValueError, match=r"1\.weight"):
        wrong.load_weights(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(wrong.flat_parameters, before)
