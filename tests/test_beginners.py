"""What beginners type is taken as it is meant: labels of every kind, lists of layers, names, a dict for one input."""

import numpy as np
import pytest

import backpass as bp


@pytest.fixture
def x(rng):
    return rng.standard_normal((12, 4)).astype(np.float32)


@pytest.fixture
def y():
    return np.arange(12) % 3


def classifier(outputs=3):
    return bp.Sequential(bp.Dense(8, activation="relu"), bp.Dense(outputs), seed=0)


def fitted(x, y, outputs=3, **changes):
    model = classifier(outputs)
    settings = {"loss": bp.CrossEntropy(), "optimizer": bp.SGD(0.1), "epochs": 2, "seed": 0, "metrics": ["accuracy"]}
    history = model.fit(x, y, **{**settings, **changes})
    return model.flat_parameters.copy(), dict(history)


# Labels.

KINDS = {
    "a column": lambda y: y[:, None],
    "float64": lambda y: y.astype(np.float64),
    "float32 column": lambda y: y.astype(np.float32)[:, None],
    "float16": lambda y: y.astype(np.float16),
    "a list of floats": lambda y: [float(label) for label in y],
    "a strided column": lambda y: np.stack([y, -y], axis=1)[:, :1],
    "uint8": lambda y: y.astype(np.uint8),
}


@pytest.mark.parametrize("kind", KINDS)
def test_labels_of_every_kind_train_as_integers_do(x, y, kind):
    expected, given = fitted(x, y), fitted(x, KINDS[kind](y))
    np.testing.assert_array_equal(given[0], expected[0])
    assert given[1] == expected[1]


@pytest.mark.parametrize("shape", [(12,), (12, 1)])
def test_truth_values_are_labels(x, y, shape):
    truth = (y == 1).reshape(shape)
    np.testing.assert_array_equal(fitted(x, truth, 2)[0], fitted(x, truth.ravel().astype(int), 2)[0])


@pytest.mark.parametrize("kind", KINDS)
def test_labels_of_every_kind_are_weighted_held_out_and_streamed(x, y, kind):
    labels = KINDS[kind](y)
    for options in (
        {"class_weight": "balanced"},
        {"validation_split": 0.5, "stratify": True},
        {"augment": bp.augment.noise(0.1)},
    ):
        np.testing.assert_array_equal(fitted(x, labels, **options)[0], fitted(x, y, **options)[0])
    stream = bp.Stream(lambda: iter([(x, labels)]))
    np.testing.assert_array_equal(fitted(stream, None)[0], fitted(bp.Stream(lambda: iter([(x, y)])), None)[0])


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_integers(x, y, kind):
    model, labels = bp.Sequential(bp.Dense(3), input_shape=4, seed=0), KINDS[kind](y)
    loss, vector = bp.CrossEntropy(), np.ones(model.n_parameters, np.float32)
    assert model.value_and_grad(x, labels, loss)[0] == model.value_and_grad(x, y, loss)[0]
    np.testing.assert_array_equal(bp.hvp(model, loss, x, labels, vector), bp.hvp(model, loss, x, y, vector))
    given, expected = model.backprop({"x": x}, labels, loss), model.backprop(x, y, loss)
    np.testing.assert_array_equal(given[0]["delta"], expected[0]["delta"])
    assert bp.gradcheck(model, loss, {"x": x}, labels) < 1e-6


def test_a_loss_alone_takes_labels_of_every_kind(y):
    prediction = np.random.default_rng(0).standard_normal((12, 3))
    value, grad = bp.CrossEntropy(ignore_index=-100).value_and_grad(prediction, np.where(y == 2, -100, y))
    other, same = bp.CrossEntropy(ignore_index=-100).value_and_grad(prediction, np.where(y == 2, -100.0, y)[:, None])
    assert other == value
    np.testing.assert_array_equal(same, grad)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (0.5, r"\[y\] labels must be whole numbers in \[0, 3\), got 0.5 in row 2; a probability for each class"),
        (3.0, r"\[y\] labels must be in \[0, 3\), got 3 in row 2"),
        (1e10, r"\[y\] labels must be in \[0, 3\), got 10000000000 in row 2"),
    ],
)
def test_a_fraction_is_no_label(x, y, bad, message):
    labels = y.astype(float)
    labels[2] = bad
    with pytest.raises(ValueError, match=message):
        fitted(x, labels)


def test_of_one_class_there_is_a_probability():
    value, _ = bp.CrossEntropy().value_and_grad([[3.0], [4.0]], [1.0, 1.0])
    assert value == 0.0
    with pytest.raises(ValueError, match=r"sum to 1, got a sum of 0\.5 in row 0"):
        bp.CrossEntropy().value_and_grad([[3.0], [4.0]], [0.5, 1.0])


# Layers.


def test_layers_may_come_as_one_list(x):
    layers = [bp.Dense(4, activation="relu"), bp.Dense(3)]
    expected = bp.Sequential(*layers, input_shape=4, seed=0).flat_parameters
    for given in (layers, tuple(layers)):
        np.testing.assert_array_equal(bp.Sequential(given, input_shape=4, seed=0).flat_parameters, expected)
    assert bp.Residual(layers) == bp.Residual(*layers)
    with pytest.raises(ValueError, match="at least one layer"):
        bp.Sequential([])


def test_activations_go_by_name():
    model = bp.Sequential(bp.Dense(4, "ReLU"), "tanh", "leaky_relu", "swish", bp.Dense(2, activation="linear"))
    assert model.layers == (
        bp.Dense(4, "relu"), bp.Tanh(), bp.LeakyReLU(), bp.SiLU(), bp.Dense(2, activation="identity"),
    )  # fmt: skip


# Losses and optimizers.


@pytest.mark.parametrize(
    ("name", "loss"),
    [
        ("mse", bp.MSE()), ("MSE", bp.MSE()), ("mean_squared_error", bp.MSE()), ("mae", bp.MAE()),
        ("huber", bp.Huber()), ("log_cosh", bp.LogCosh()), ("poisson", bp.Poisson()), ("half_mse", bp.HalfMSE()),
        ("mean_absolute_error", bp.MAE()), ("Quantile", bp.Quantile()),
    ],
)  # fmt: skip
def test_losses_go_by_name(name, loss):
    model = bp.Sequential(bp.Dense(2), input_shape=3, seed=0, dtype="float64")
    x, y = np.abs(np.random.default_rng(0).standard_normal((2, 5, 3))), np.ones((5, 2))
    assert model.value_and_grad(x[0], y, name)[0] == model.value_and_grad(x[0], y, loss)[0]
    assert model.evaluate(x[0], y, loss=name) == model.evaluate(x[0], y, loss=loss)
    assert bp.gradcheck(model, name, x[0], y) < 1e-5


@pytest.mark.parametrize("name", ["cross_entropy", "CrossEntropy", "crossentropy", "sparse_categorical_crossentropy"])
def test_losses_of_classes_go_by_name(x, y, name):
    np.testing.assert_array_equal(fitted(x, y, loss=name)[0], fitted(x, y)[0])


@pytest.mark.parametrize(
    "name", ["sgd", "adam", "AdamW", "rmsprop", "nadam", "radam", "adamax", "lion", "adagrad", "adadelta"]
)
def test_optimizers_go_by_name(x, y, name):
    cls = next(cls for cls in vars(bp).values() if getattr(cls, "__name__", "").lower() == name.lower())
    np.testing.assert_array_equal(fitted(x, y, optimizer=name)[0], fitted(x, y, optimizer=cls())[0])


def test_the_rate_of_plain_descent_is_that_of_cpp():
    assert bp.SGD().learning_rate == 0.01


def test_a_list_of_names_is_a_loss_for_each_output(x, y):
    inputs = bp.Input(4)
    model = bp.Network(inputs, [bp.Dense(3)(inputs), bp.Dense(1)(inputs)], seed=0)
    history = model.fit(x, [y, x[:, 0]], loss=["cross_entropy", "mse"], optimizer="adam")
    assert [name for name in history if name.startswith("loss")] == ["loss", "loss_0", "loss_1"]
    assert isinstance(model._last_trainer.loss[1], bp.MSE)


def test_partial_fit_by_name_goes_on():
    model, x = bp.Sequential(bp.Dense(1), seed=0), np.random.default_rng(0).standard_normal((8, 2))
    for _ in range(3):
        model.partial_fit(x, x[:, 0], loss="mse", optimizer="adam")
    assert model._last_trainer.optimizer.steps == 3
    model.partial_fit(x, x[:, 0], loss="mse", optimizer="adamw")
    assert model._last_trainer.optimizer.steps == 1


def test_the_rate_finder_takes_names(x, y):
    found = bp.find_learning_rate(classifier(), x, y, loss="cross_entropy", optimizer="adam", steps=5)
    assert len(found.losses) == 5


# A dict for one input.


def test_a_dict_names_one_input(x, y):
    model = bp.Sequential(bp.Dense(3), input_shape=4, seed=0)
    np.testing.assert_array_equal(model.forward({"x": x}), model.forward(x))
    left = bp.Input(4, name="left")
    model = bp.Network(left, bp.Dense(3)(left), seed=0)
    model.fit({"left": x}, y, loss="cross_entropy", optimizer="adam", validation_split=0.25)
    np.testing.assert_array_equal(model.predict({"left": x}), model.predict(x))
    with pytest.raises(ValueError, match=r'\[predict\] x has no "left"; the names are "left"'):
        model.predict({"right": x})
    with pytest.raises(ValueError, match=r"\[predict\] x has names that are no inputs"):
        model.predict({"left": x, "right": x})


def test_a_model_without_shapes_takes_a_dict_too(x, y):
    model = classifier()
    model.fit({"x": x}, y, loss="cross_entropy", optimizer="adam")
    assert model.input_shape == (4,)
