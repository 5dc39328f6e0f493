"""What weights start as: by what follows them in the graph, by name, by a function of one's own."""

import numpy as np
import pytest

import backpass as bp
import reference

INPUTS, UNITS = 300, 500


def weights_before(follow):
    """Of a Dense layer whose output goes through `follow`."""
    x = bp.Input(INPUTS, dtype="float64")
    return bp.Network(x, follow(bp.Dense(UNITS)(x)), seed=1).parameters()["0.weight"]


class Own(bp.Layer):
    def forward(self, x):
        return bp.relu(2 * x)


# What follows, written with functions and layers; and how the weights start before it.
FOLLOWS = {
    "nothing": (lambda z: z, "glorot_uniform"),
    "tanh": (bp.tanh, "glorot_uniform"),
    "sigmoid": (bp.sigmoid, "glorot_uniform"),
    "softmax": (bp.softmax, "glorot_uniform"),
    "relu": (bp.relu, "he_uniform"),
    "gelu": (bp.gelu, "he_uniform"),
    "relu6": (bp.relu6, "he_uniform"),
    "elu": (bp.elu, "he_uniform"),
    "selu": (bp.selu, "lecun_normal"),
    "a layer": (lambda z: bp.ReLU()(z), "he_uniform"),
    "a layer of one's own": (lambda z: Own()(z), "he_uniform"),
    "dropout": (lambda z: bp.relu(bp.Dropout(0.5)(z)), "he_uniform"),
    "arithmetic": (lambda z: bp.relu(3 * z - 1), "he_uniform"),
    "a mean of rows": (lambda z: bp.relu(z - bp.mean(z, 1, True)), "he_uniform"),
    "something beside it": (lambda z: bp.selu(bp.concat([z, z * z], 1)), "lecun_normal"),
    "a skip connection": (lambda z: bp.relu(bp.Residual(bp.Dense(UNITS))(z)), "he_uniform"),
    "another product": (lambda z: bp.relu(bp.Dense(3)(z)), "glorot_uniform"),
    "two branches, the first counts": (lambda z: bp.concat([bp.tanh(z), bp.relu(z)], 1), "glorot_uniform"),
}


@pytest.mark.row("I3")
@pytest.mark.row("I4")
@pytest.mark.row("V5")
@pytest.mark.parametrize("what", FOLLOWS)
def test_weights_look_ahead_to_the_first_activation(what):
    follow, name = FOLLOWS[what]
    weight = weights_before(follow)
    deviation = reference.INITIALIZER_DEVIATION[name](INPUTS, UNITS)
    assert weight.var() == pytest.approx(deviation**2, rel=0.03)
    assert abs(weight.mean()) < 0.02 * deviation
    largest = np.abs(weight).max() / deviation
    assert largest > 3 if name.endswith("normal") else largest <= np.sqrt(3)


# What follows the last of two layers; and what its weights are times.
LAST = {
    "nothing": (lambda z: z, 0.1),
    "a scale": (lambda z: 3 * z, 0.1),
    "sigmoid": (bp.sigmoid, 0.1),
    "softmax": (bp.softmax, 0.1),
    "tanh": (bp.tanh, 1.0),
    "another product": (lambda z: bp.Dense(3)(z), 1.0),
    "softmax and a product": (lambda z: bp.Dense(3)(bp.softmax(z)), 1.0),
}


@pytest.mark.parametrize("what", LAST)
def test_the_last_of_several_products_starts_small(what):
    follow, factor = LAST[what]
    x = bp.Input(INPUTS, dtype="float64")
    hidden = bp.Dense(INPUTS, activation="relu")(x)
    weight = bp.Network(x, follow(bp.Dense(UNITS)(hidden)), seed=1).parameters()["1.weight"]
    deviation = factor * reference.INITIALIZER_DEVIATION["glorot_uniform"](INPUTS, UNITS)
    assert weight.std() == pytest.approx(deviation, rel=0.03)


def test_the_outputs_of_a_network_start_small_each_and_only_where_nothing_is_said():
    x = bp.Input(INPUTS, dtype="float64")
    hidden = bp.Dense(INPUTS, activation="relu")(x)
    outputs = [bp.Dense(UNITS)(hidden), bp.Dense(UNITS)(hidden), bp.Dense(UNITS, weight_init="glorot_uniform")(hidden)]
    parameters = bp.Network(x, outputs, seed=1).parameters()
    deviation = reference.INITIALIZER_DEVIATION["glorot_uniform"](INPUTS, UNITS)
    found = [parameters[f"{layer}.weight"].std() / deviation for layer in (1, 2, 3)]
    assert found == pytest.approx([0.1, 0.1, 1.0], rel=0.03)


@pytest.mark.parametrize("activation", ["relu", "tanh", "selu", bp.relu, bp.selu, bp.ReLU(), bp.SELU()], ids=range(7))
def test_the_activation_of_dense_is_the_one_that_follows(activation):
    x = bp.Input(INPUTS)
    by_setting = bp.Network(x, bp.Dense(UNITS, activation=activation)(x), seed=1)
    follow = getattr(bp, activation) if isinstance(activation, str) else activation
    by_function = bp.Network(x, follow(bp.Dense(UNITS)(x)), seed=1)
    np.testing.assert_array_equal(by_setting.flat_parameters, by_function.flat_parameters)


def layers():
    block = bp.Residual(bp.Dense(7, activation="selu"), bp.Dense(7))
    return [bp.Dense(7, activation="relu"), bp.Dropout(0.5), block, bp.ELU(0.5), bp.Dropout(0.25), bp.Dense(3)]


@pytest.mark.row("I1")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_sequential_and_its_functional_form_are_the_same_model(rng, dtype):
    """Names, first weights, and masks of dropout."""
    x = y = bp.Input(4, dtype=dtype)
    for layer in layers():
        y = layer(y)
    functional, sequential = bp.Network(x, y, seed=5), bp.Sequential(*layers(), input_shape=4, seed=5, dtype=dtype)
    assert [*functional.parameters()] == [*sequential.parameters()]
    np.testing.assert_array_equal(functional.flat_parameters, sequential.flat_parameters)
    rows, target = rng.standard_normal((20, 4)), rng.standard_normal((20, 3))
    settings = {"loss": bp.MSE(), "epochs": 3, "seed": 2, "progress": False}
    for model in (functional, sequential):
        model.fit(rows, target, optimizer=bp.Adam(), **settings)
    np.testing.assert_array_equal(functional.flat_parameters, sequential.flat_parameters)


def test_float32_starts_from_the_rounded_numbers_of_float64():
    single, double = (bp.Sequential(*layers(), input_shape=4, seed=5, dtype=dtype) for dtype in ("float32", "float64"))
    np.testing.assert_array_equal(single.flat_parameters, double.flat_parameters.astype(np.float32))


# By name, and by a function.


@pytest.mark.parametrize("name", [*reference.INITIALIZER_DEVIATION, "ones"])
def test_initializers_by_name_serve_weights_and_parameters(name):
    dense = bp.Sequential(bp.Dense(40, weight_init=name), input_shape=30, seed=1, dtype="float64")
    x = bp.Input(30, dtype="float64")
    w = bp.parameter((40, 30), "float64", "w", name)
    plain = bp.Network(x, bp.matmul(x, w, transpose_b=True), seed=1)
    np.testing.assert_array_equal(plain.parameters()["w"], dense.parameters()["0.weight"])


def test_biases_have_initializers_too():
    model = bp.Sequential(
        bp.Dense(3, bias_init="ones"), bp.Dense(3, bias_init=lambda shape, rng: [1, 2, 3]), input_shape=2
    )
    assert model.parameters()["0.bias"].tolist() == [1, 1, 1]
    assert model.parameters()["1.bias"].tolist() == [1, 2, 3]


def uniform(shape, rng):
    return rng.uniform(-1, 1, shape)


def drawn(seed, initializer=uniform):
    layers = [bp.Dense(4, weight_init=initializer), bp.Dense(4, weight_init=initializer)]
    return bp.Sequential(*layers, input_shape=4, seed=seed, dtype="float64").parameters()


@pytest.mark.row("I1")
def test_a_function_draws_from_a_generator_that_the_seed_decides():
    before = np.random.get_state()[1].copy()
    first, second = drawn(1)["0.weight"], drawn(1)["1.weight"]
    np.testing.assert_array_equal(first, drawn(1)["0.weight"])
    assert not (first == drawn(2)["0.weight"]).any()
    assert not (first == second).any()  # each parameter has numbers of its own
    assert np.abs(first).max() <= 1
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_a_function_gets_the_shape():
    shapes = []

    def spy(shape, rng):
        shapes.append((shape, type(rng)))
        return rng.standard_normal(shape)

    bp.Sequential(bp.Dense(5, weight_init=spy), bp.Dense(2, weight_init=spy, bias_init=spy), input_shape=3)
    assert shapes == [((5, 3), np.random.Generator), ((2, 5), np.random.Generator), ((2,), np.random.Generator)]


class Scaled(bp.Layer):
    def __init__(self, gain):
        self.gain = gain

    def forward(self, x):
        return x @ self.parameter("weight", (x.shape[-1], 3), uniform, self.gain)


def test_gain_multiplies_what_a_function_gives():
    one, three = (bp.Sequential(Scaled(gain), input_shape=4, seed=1, dtype="float64") for gain in (1.0, 3.0))
    np.testing.assert_allclose(three.flat_parameters, 3 * one.flat_parameters, rtol=1e-15)


def fails(shape, rng):
    raise LookupError("from the initializer")


@pytest.mark.parametrize(
    ("initializer", "error", "message"),
    [
        (lambda shape, rng: np.zeros((2, 2)), ValueError, r"must give an array of shape \(4, 4\), got \(2, 2\)"),
        (lambda shape, rng: 0.0, ValueError, r"must give an array of shape \(4, 4\), got \(\)"),
        (fails, LookupError, "from the initializer"),
    ],
    ids=["another shape", "a number", "an exception"],
)
def test_a_function_that_gives_no_weights_is_refused(initializer, error, message):
    with pytest.raises(error, match=message):
        drawn(1, initializer)
    model = bp.Sequential(bp.Dense(4, weight_init=initializer))
    with pytest.raises(error, match=message):
        model.fit(np.ones((2, 4)), np.ones((2, 4)), loss=bp.MSE(), optimizer=bp.SGD(0.1), progress=False)
    assert model.input_shape is None


@pytest.mark.parametrize("shape", [(3,), (5, 2), (2, 2, 2)])
def test_a_parameter_alone_refuses_values_of_another_shape(shape):
    x = bp.Input(2)
    w = bp.parameter((2, 5), initializer=lambda wanted, rng: np.ones(shape))
    with pytest.raises(ValueError, match="shape"):
        bp.Network(x, x @ w)


def test_a_parameter_alone_takes_a_function_with_a_generator():
    x = bp.Input(2)
    w = bp.parameter((2, 5), initializer=lambda shape, rng: np.asfortranarray(rng.normal(size=shape)))
    first, second = (bp.Network(x, x @ w, seed=3).parameters()["w"] for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert len(np.unique(first)) == 10
