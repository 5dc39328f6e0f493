"""A list of layers is a recipe: models made of it have weights of their own, and nobody is warned."""

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


SHARED = r"is made of layers of a trained model"


@pytest.mark.parametrize("inner", [bp.BatchNorm(), bp.LayerNorm(), bp.Residual(bp.Dense(4))], ids=repr)
def test_a_list_of_layers_serves_every_fold(inner):
    layers = [bp.Dense(4, activation="tanh"), inner, bp.Dense(1)]
    models = []
    assert told(lambda: models.extend(fit(bp.Sequential(*layers, seed=seed)) for seed in (0, 1, 0))) == []
    np.testing.assert_array_equal(models[0].flat_parameters, models[2].flat_parameters)
    assert (models[0].flat_parameters != models[1].flat_parameters).any()


def test_one_object_may_stand_in_models_of_other_layers():
    norm = bp.BatchNorm()
    models = []
    for units in (3, 5):
        messages = told(lambda units=units: models.append(fit(bp.Sequential(bp.Dense(units), norm, bp.Dense(1)))))
        assert messages == []


def test_layers_that_are_called_again_are_a_recipe_too():
    layers = [bp.Dense(4, activation="tanh"), bp.Dense(1)]
    models = []

    def make(seed):
        x = bp.Input(2)
        return bp.Network(x, layers[1](layers[0](x)), seed=seed)

    assert told(lambda: models.extend(fit(make(seed)) for seed in range(3))) == []
    x = bp.Input(2)
    y = layers[1](layers[0](x))
    assert told(lambda: models.extend(fit(bp.Network(x, y, seed=seed)) for seed in range(3))) == []


READ = {
    "layers": lambda model: model.layers,
    "graph": lambda model: model.graph,
    "called": lambda model: model(bp.Input(2)),
}


@pytest.mark.parametrize("read", READ)
def test_what_is_read_off_a_trained_model_is_taken_for_its_weights(read):
    layers = [bp.Dense(4), bp.Dense(1)]
    model = fit(bp.Sequential(*layers, seed=0))
    READ[read](model)
    with pytest.warns(bp.UserMistakeWarning, match=SHARED):
        bp.Sequential(*layers[:1], bp.Dense(3), input_shape=2)


def test_a_tensor_of_a_trained_network_beside_new_layers():
    x = bp.Input(2)
    hidden = bp.Dense(4, activation="tanh")(x)
    model = fit(bp.Network(x, bp.Dense(1)(hidden), seed=0))
    for outputs in (hidden, bp.Dense(2)(hidden)):
        with pytest.warns(bp.UserMistakeWarning, match=SHARED):
            bp.Network(x, outputs, seed=0)
    assert told(lambda: repr(model)) == []


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
