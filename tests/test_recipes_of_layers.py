"""A list of layers is a recipe by its copies: models made of the same layers share their weights."""

import copy
import warnings

import numpy as np
import pytest

import backpass as bp

X = np.linspace(-1, 1, 24).reshape(12, 2).astype(np.float32)


def fit(model):
    model.fit(X, X[:, 0], loss="mse", optimizer="adam", progress=False)
    return model


def told(call):
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        call()
    return [str(warning.message) for warning in heard]


@pytest.mark.parametrize("inner", [bp.BatchNorm(), bp.LayerNorm(), bp.Residual(bp.Dense(4))], ids=repr)
def test_copies_of_a_list_of_layers_serve_every_fold(inner):
    layers = [bp.Dense(4, activation="tanh"), inner, bp.Dense(1)]
    models = []
    assert (
        told(lambda: models.extend(fit(bp.Sequential(*copy.deepcopy(layers), seed=seed)) for seed in (0, 1, 0))) == []
    )
    np.testing.assert_array_equal(models[0].flat_parameters, models[2].flat_parameters)
    assert (models[0].flat_parameters != models[1].flat_parameters).any()


def test_one_object_may_not_stand_in_models_of_other_widths():
    norm = bp.BatchNorm()
    fit(bp.Sequential(bp.Dense(3), norm, bp.Dense(1)))
    with pytest.raises(ValueError, match=r"\[BatchNorm 1\] its running_mean is .* a layer has one set of weights"):
        fit(bp.Sequential(bp.Dense(5), norm, bp.Dense(1)))


def test_the_shape_of_a_model_that_was_refused_binds_no_layer():
    layers = [bp.Dense(3), bp.Dense(1)]
    model = bp.Sequential(*layers)
    for rows in (np.ones((4, 5)), np.full((4, 5), np.inf)):
        with pytest.raises(ValueError, match=r"x|y"):
            model.fit(rows, np.ones((3, 7)), loss="mse", optimizer="sgd")
    with pytest.raises(ValueError, match=r"input_shape"):
        bp.Sequential(*layers, input_shape=0)
    assert fit(model).input_shape == (2,)


def test_a_model_that_was_reset_has_nothing_to_share_and_is_not_trained():
    model = fit(bp.Sequential(bp.Dense(1), seed=0))
    layers = model.layers
    model.reset()
    assert told(lambda: bp.Sequential(*layers, input_shape=2)) == []
    with pytest.warns(bp.UserMistakeWarning, match=r"\[predict\] the model has not been trained"):
        model.predict(X)


def test_steps_after_a_reset_train():
    model = bp.Sequential(bp.Dense(1), input_shape=2, seed=0)
    trainer = bp.Trainer(model, "mse", "adam")
    trainer.step(X, X[:, 0])
    trainer.step(X, X[:, 0])
    model.reset()
    trainer.step(X, X[:, 0])
    assert told(lambda: model.predict(X)) == []


def test_what_is_frozen_at_random_is_meant_so_after_a_reset():
    model = fit(bp.Sequential(bp.Dense(1), seed=0))
    model.freeze()
    model.reset()
    assert told(lambda: model.predict(X)) == []
