"""Warnings of what is legal and probably not meant: each once, filterable, and only where it is true."""

import copy
import gc
import pickle
import warnings

import numpy as np
import pytest

import backpass as bp


@pytest.fixture
def x(rng):
    return rng.standard_normal((12, 4)).astype(np.float32)


Y = np.arange(12) % 3


def told(call):
    """The messages of our warnings."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        call()
    assert all(warning.filename == __file__ for warning in heard), heard
    assert all(warning.category is bp.UserMistakeWarning for warning in heard), heard
    return [str(warning.message) for warning in heard]


def fit(model, x, y=Y, loss="cross_entropy", **changes):
    return model.fit(x, y, **{"loss": loss, "optimizer": bp.SGD(1e-9), "seed": 0, **changes})


# Probabilities where logits are wanted.


def ending(last, outputs=3):
    return bp.Sequential(bp.Dense(outputs), last, input_shape=4, seed=0)


@pytest.mark.parametrize(
    ("last", "outputs", "loss", "layer"),
    [
        (bp.Softmax, 3, bp.CrossEntropy(), "Softmax"),
        (bp.Softmax, 3, bp.Focal(), "Softmax"),
        (bp.Sigmoid, 1, bp.BinaryCrossEntropy(), "Sigmoid"),
        (lambda: bp.Dense(3, activation="softmax"), 3, "cross_entropy", "Softmax"),
    ],
)
def test_a_loss_of_logits_after_probabilities_warns_once(x, last, outputs, loss, layer):
    model, y = ending(last(), outputs), Y % 2
    messages = told(lambda: [fit(model, x, y, loss) for _ in range(2)])
    assert len(messages) == 1
    assert f"takes logits, and the model ends in {layer}: leave {layer} out" in messages[0]
    assert len(told(lambda: ending(last(), outputs).evaluate(x, y, loss=loss))) == 1
    trainer = bp.Trainer(ending(last(), outputs), loss, bp.SGD(0.1))
    assert len(told(lambda: [trainer.step(x, y) for _ in range(3)])) == 1


@pytest.mark.parametrize(
    ("model", "y", "loss"),
    [
        (ending(bp.Softmax()), np.eye(3)[Y], "mse"),
        (ending(bp.Sigmoid(), 1), Y % 2, "mse"),
        (ending(bp.Identity()), Y, "cross_entropy"),
        (ending(bp.Tanh()), Y, "cross_entropy"),
        (bp.Sequential(bp.Dense(4, activation="softmax"), bp.Dense(3), seed=0), Y, "cross_entropy"),
        (ending(bp.Softmax()), np.eye(3)[Y], lambda p, t: -bp.sum(t * bp.log(p + 1e-6), axis=1)),
    ],
)
def test_other_ends_do_not_warn(x, model, y, loss):
    assert told(lambda: fit(model, x, y, loss)) == []


def test_of_several_outputs_the_one_is_judged_by_its_loss(x):
    inputs = bp.Input(4)
    model = bp.Network(inputs, [bp.Dense(3)(inputs), bp.Dense(3, activation="softmax")(inputs)], seed=0)
    assert told(lambda: fit(model, x, [Y, np.eye(3)[Y]], ["cross_entropy", "mse"])) == []
    assert len(told(lambda: fit(model, x, [np.eye(3)[Y], Y], ["mse", "cross_entropy"]))) == 1


# Inputs that are not scaled.


def dense(*layers):
    return bp.Sequential(*layers, bp.Dense(3), seed=0)


IMAGES = np.random.default_rng(0).integers(0, 256, (12, 4, 4), dtype=np.uint8)


def test_large_features_warn_once():
    x = np.ones((12, 4))
    x[3, 2] = -5000
    model = dense()
    messages = told(lambda: [fit(model, x) for _ in range(2)])
    assert len(messages) == 1
    assert "[fit] x has values up to 5e+03, in column 2: " in messages[0]
    assert "mean 0 and deviation 1" in messages[0]
    assert len(told(lambda: fit(dense(), x.astype(np.int64)))) == 1
    assert len(told(lambda: bp.Trainer(dense(), "cross_entropy", bp.SGD(1e-9)).step(x, Y))) == 1


def test_images_of_bytes_warn():
    assert "x is uint8 up to" in told(lambda: fit(dense(bp.Flatten()), IMAGES))[0]
    image = bp.Input((4, 4), name="image")
    model = bp.Network(image, bp.Dense(3)(bp.Flatten()(image)), seed=0)
    assert "image is uint8 up to" in told(lambda: fit(model, {"image": IMAGES}))[0]


@pytest.mark.parametrize(
    ("model", "x"),
    [
        (dense(bp.Flatten()), IMAGES.astype(np.float32) / 255),
        (dense(bp.Flatten()), IMAGES % 2),
        (dense(bp.Flatten(), bp.BatchNorm()), IMAGES),
        (dense(bp.Flatten(), bp.Dense(5), bp.LayerNorm()), IMAGES),
        (dense(bp.BatchNorm()), np.full((12, 4), 1e5)),
        (dense(), np.full((12, 4), 999.0)),
        (dense(bp.Embedding(3000, 2), bp.Flatten()), np.full((12, 4), 2999)),
        (dense(bp.Tanh()), np.full((12, 4), 1e5)),
    ],
)
def test_inputs_that_are_scaled_do_not_warn(model, x):
    assert told(lambda: fit(model, x)) == []


def test_inputs_that_something_scales_on_the_way_do_not_warn():
    image = bp.Input((4, 4))
    model = bp.Network(image, bp.Dense(3)(bp.Flatten()(image) / 255), seed=0)
    assert told(lambda: fit(model, IMAGES)) == []
    assert told(lambda: fit(dense(bp.Flatten()), IMAGES, augment=lambda x, y, rng: (x / 255, y))) == []


# Predictions of a model that has not been trained.


def fresh(*layers, **settings):
    return bp.Sequential(*(layers or [bp.Dense(3)]), **{"seed": 0, **settings})


@pytest.mark.parametrize("shape", [None, 4])
def test_predict_before_fit_warns_once(x, shape):
    model = fresh(input_shape=shape)
    messages = told(lambda: [model.predict(x) for _ in range(3)])
    assert len(messages) == 1
    assert "[predict] the model has not been trained" in messages[0]
    inputs = bp.Input(4)
    assert len(told(lambda: bp.Network(inputs, bp.Dense(3)(inputs), seed=0).predict(x))) == 1
    assert len(told(lambda: pickle.loads(pickle.dumps(fresh(input_shape=4))).predict(x))) == 1


def saved(model, folder):
    model.save(folder / "m")
    return bp.load(folder / "m")


def changed(model, change):
    change(model)
    return model


TRAINED = {
    "fit": lambda x, folder: changed(fresh(), lambda m: fit(m, x)),
    "step": lambda x, folder: changed(fresh(), lambda m: bp.Trainer(m, "cross_entropy", "adam").step(x, Y)),
    "a trainer": lambda x, folder: changed(fresh(), lambda m: bp.Trainer(m, "cross_entropy", "adam")),
    "load": lambda x, folder: saved(fresh(input_shape=4), folder),
    "load_weights": lambda x, folder: changed(fresh(input_shape=4), lambda m: m.load_weights(m.state_dict())),
    "by hand": lambda x, folder: changed(fresh(input_shape=4), lambda m: m.flat_parameters.fill(1)),
    "by name": lambda x, folder: changed(fresh(input_shape=4), lambda m: m.parameters()["0.bias"].fill(1)),
    "optimizer": lambda x, folder: changed(fresh(input_shape=4), bp.SGD(0.1).step),
    "objective": lambda x, folder: changed(fresh(input_shape=4), lambda m: m.objective(x, Y, "cross_entropy")),
    "a copy": lambda x, folder: copy.deepcopy(fresh(input_shape=4)),
    "frozen": lambda x, folder: changed(fresh(input_shape=4), lambda m: m.freeze()),
    "own initial weights": lambda x, folder: fresh(bp.Dense(3, weight_init=lambda shape, rng: np.ones(shape))),
    "nothing random": lambda x, folder: fresh(bp.LayerNorm()),
    "no parameters": lambda x, folder: fresh(bp.ReLU()),
}


@pytest.mark.parametrize("case", TRAINED)
def test_predict_does_not_warn_after(x, tmp_path, case):
    model = TRAINED[case](x, tmp_path)
    assert told(lambda: model.predict(x)) == []


def test_weights_that_two_share_are_trained_for_both(x):
    model = fresh(input_shape=4)
    twin = copy.copy(model)
    fit(model, x)
    assert told(lambda: twin.predict(x)) == []


def test_nothing_but_predict_warns_of_a_fresh_model(x):
    model = fresh(input_shape=4)
    assert told(lambda: (model.forward(x), model.evaluate(x, Y, loss="cross_entropy"), model.summary())) == []


# Layers and tensors of a trained model.


def trained(x):
    model = fresh(bp.Dense(4), bp.ReLU(), bp.Dense(4))
    fit(model, x, x, "mse")
    return model


GOES_ON = "is made of layers that have been trained, and goes on from their weights; for new ones, make new layers"


def test_a_model_of_trained_layers_and_nothing_else_warns(x):
    """As in a loop over folds, where the model before is gone."""
    layers = [bp.Dense(4), bp.ReLU(), bp.Dense(4)]
    assert told(lambda: fit(bp.Sequential(*layers, input_shape=4), x, x, "mse")) == []
    gc.collect()
    messages = told(lambda: bp.Sequential(*layers, input_shape=4, seed=1))
    assert len(messages) == 1
    assert GOES_ON in messages[0]
    assert told(lambda: bp.Sequential(*copy.deepcopy(layers), input_shape=4)) == []


def test_shared_on_purpose_does_not_warn(x):
    model = trained(x)
    assert told(lambda: bp.Sequential(*model.layers[:1], bp.Dense(1), input_shape=4)) == []
    assert told(lambda: bp.Sequential(*model.layers[:2], input_shape=4)) == []
    assert told(lambda: (model[:2], model.sub("0"))) == []
    assert told(lambda: bp.Network(given := bp.Input(4), model(given)).predict(x)) == []


def test_what_shares_nothing_trained_does_not_warn(x, tmp_path):
    relu, model = bp.ReLU(), fresh(bp.Dense(4), bp.ReLU(), bp.Dense(4), input_shape=4)
    whole = bp.Sequential(*model.layers, input_shape=4, seed=0)
    assert whole.n_parameters == model.n_parameters  # neither has been trained
    fit(bp.Sequential(bp.Dense(4), relu, seed=0), x, x, "mse")
    keep = trained(x)
    assert told(lambda: bp.Sequential(bp.Dense(4), relu, input_shape=4)) == []
    assert told(lambda: (copy.deepcopy(keep), copy.copy(keep), pickle.loads(pickle.dumps(keep)))) == []
    assert told(lambda: saved(keep, tmp_path)) == []
    assert told(lambda: bp.gradcheck(keep, "mse", x, x)) == []
    assert told(lambda: fit(keep, x, x, "mse")) == []


def test_warnings_go_by_their_class(x):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", bp.UserMistakeWarning)
        fresh().predict(1e6 * x)
        fit(ending(bp.Softmax()), 1e6 * x)


def test_a_loss_of_ones_own_may_have_any_name(x):
    class CrossEntropy(bp.Loss):
        def forward(self, prediction, target):
            return -bp.sum(target * bp.log(prediction + 1e-6), axis=1)

    assert told(lambda: fit(ending(bp.Softmax()), x, np.eye(3)[Y], CrossEntropy())) == []
