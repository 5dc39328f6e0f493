"""Initial weights: their variances, what they follow from, and what they do to deep networks."""

import numpy as np
import pytest

import backpass as bp
import reference
from registry import (
    ACTIVATIONS,
    DTYPES,
    generator,
)


def first_weight(units, features, **options):
    model = bp.Sequential(bp.Dense(units, **options), input_shape=(features,), seed=5, dtype="float64")
    return model.parameters()["0.weight"]


@pytest.mark.row("I3")
@pytest.mark.row("I4")
@pytest.mark.parametrize("name", reference.INITIALIZER_DEVIATION)
def test_initializers_have_the_variance_of_their_definition(name):
    weight = first_weight(800, 1250, weight_init=name)
    deviation = reference.INITIALIZER_DEVIATION[name](fan_in=1250, fan_out=800)
    assert weight.size == 10**6
    assert abs(weight.var() / deviation**2 - 1) < 0.005
    assert abs(weight.mean()) < 5 * deviation / 1000
    if name.endswith("uniform"):
        assert np.abs(weight).max() <= np.sqrt(3) * deviation
    else:
        assert 4 < np.abs(weight).max() / deviation < 7


@pytest.mark.row("I4")
def test_he_scales_with_the_root_of_the_inputs():
    wide, narrow = first_weight(50, 20_000, weight_init="he_normal"), first_weight(2000, 500, weight_init="he_normal")
    assert abs(narrow.std() / wide.std() / np.sqrt(40) - 1) < 0.005


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (3, 3), (30, 50), (50, 30), (200, 200)])
def test_orthogonal_weights_have_orthonormal_rows_or_columns(shape, dtype):
    model = bp.Sequential(bp.Dense(shape[0], weight_init="orthogonal"), input_shape=shape[1:], seed=5, dtype=dtype)
    weight = model.parameters()["0.weight"].astype(np.float64)
    products = weight @ weight.T if shape[0] <= shape[1] else weight.T @ weight
    np.testing.assert_allclose(products, np.eye(min(shape)), rtol=0, atol=1e-12 if dtype == "float64" else 1e-6)


def test_orthogonal_takes_a_gain_and_a_vector():
    x = bp.input((None, 3), "float64")
    w = bp.parameter((3,), "float64", "w", "orthogonal", 2.5)
    values = bp.Network(x, x * w, seed=1).parameters()["w"]
    assert np.linalg.norm(values) == pytest.approx(2.5, rel=1e-14)


def test_orthogonal_favours_no_direction():
    """A single number is 1 or -1, each as likely; the first element of a longer vector has its variance."""
    signs = [np.sign(first_element(1, seed)) for seed in range(200)]
    assert abs(np.mean(signs)) < 0.25
    assert np.var([first_element(4, seed) for seed in range(400)]) == pytest.approx(1 / 4, rel=0.3)


def first_element(size, seed):
    dense = bp.Dense(size, weight_init="orthogonal")
    return bp.Sequential(dense, input_shape=size, seed=seed, dtype="float64").flat_parameters[0]


@pytest.mark.parametrize(
    ("after", "name", "gain"),
    [
        ("relu", "he_uniform", 1.0),
        ("gelu", "he_uniform", 1.0),
        ("gelu_tanh", "he_uniform", 1.0),
        ("softplus", "he_uniform", 1.0),
        ("elu", "he_uniform", 1.0),
        ("selu", "lecun_normal", 1.0),
        ("silu", "he_uniform", 1.0),
        ("mish", "he_uniform", 1.0),
        ("relu6", "he_uniform", 1.0),
        ("hardtanh", "glorot_uniform", 1.0),
        ("tanh", "glorot_uniform", 1.0),
        ("sigmoid", "glorot_uniform", 1.0),
        ("softmax", "glorot_uniform", 1.0),
        (None, "glorot_uniform", 1.0),
    ],
)
def test_the_default_initializer_looks_at_the_next_activation(after, name, gain):
    layers = [] if after is None else [bp.Dropout(0.1), ACTIVATIONS[after]()]
    model = bp.Sequential(bp.Dense(400), *layers, input_shape=(600,), seed=5, dtype="float64")
    deviation = gain * reference.INITIALIZER_DEVIATION[name](fan_in=600, fan_out=400)
    assert abs(model.parameters()["0.weight"].std() / deviation - 1) < 0.01
    assert not model.parameters()["0.bias"].any()


def test_he_before_leaky_relu_takes_the_slope_into_account():
    """Var = 2 / ((1 + slope^2) fan_in) (He et al. 2015, equation 15)."""
    model = bp.Sequential(bp.Dense(400), bp.LeakyReLU(0.5), input_shape=(600,), seed=5, dtype="float64")
    assert abs(model.parameters()["0.weight"].var() * 600 * 1.25 / 2 - 1) < 0.02


@pytest.mark.row("I1")
def test_initial_weights_are_small_and_reproducible():
    np.testing.assert_array_equal(first_weight(30, 20), first_weight(30, 20))
    assert 0 < np.abs(first_weight(30, 20)).max() < 1
    fresh = [bp.Sequential(bp.Dense(3), input_shape=(3,)) for _ in range(2)]
    assert fresh[0].seed != fresh[1].seed
    assert not np.array_equal(fresh[0].flat_parameters, fresh[1].flat_parameters)
    again = bp.Sequential(bp.Dense(3), input_shape=(3,), seed=fresh[0].seed)
    np.testing.assert_array_equal(fresh[0].flat_parameters, again.flat_parameters)


@pytest.mark.row("V5")
@pytest.mark.parametrize("written", ["layer", "name"])
def test_selu_keeps_mean_and_variance_through_twenty_layers(written):
    width = 512
    layers = []
    for _ in range(20):
        layers += [bp.Dense(width), bp.SELU()] if written == "layer" else [bp.Dense(width, activation="selu")]
    model = bp.Sequential(*layers, input_shape=(width,), seed=3)
    shown = model.backprop(generator("selu").standard_normal((256, width)), np.zeros((256, width)), bp.MSE())
    each = len(layers) // 20
    for layer in shown[each - 1 :: each]:
        assert abs(layer["a"].mean()) < 0.2
        assert abs(layer["a"].var() - 1) < 0.2


def norms_of_delta(initializer, depth=30, width=64):
    """|delta| of the first and the last layer of a deep ReLU network."""
    rng = generator("deep")
    layers = [bp.Dense(width, activation="relu", weight_init=initializer) for _ in range(depth)]
    model = bp.Sequential(*layers, input_shape=(width,), seed=1, dtype="float64")
    shown = model.backprop(rng.standard_normal((64, width)), rng.standard_normal((64, width)), bp.HalfMSE())
    return np.linalg.norm(shown[0]["delta"]), np.linalg.norm(shown[-1]["delta"])


@pytest.mark.row("I5")
@pytest.mark.parametrize(
    ("initializer", "low", "high"),
    [
        ("he_normal", 0.1, 10),
        ("he_uniform", 0.1, 10),
        (lambda shape, rng: rng.normal(0, 1, shape), 1e10, np.inf),
        (lambda shape, rng: rng.normal(0, 0.01, shape), 0, 1e-10),
    ],
    ids=["he normal", "he uniform", "deviation 1", "deviation 0.01"],
)
def test_deltas_of_a_deep_network_neither_vanish_nor_explode_from_he(initializer, low, high):
    first, last = norms_of_delta(initializer)
    assert low < first / last < high


def after_steps(model, steps):
    rng = generator("steps")
    x, y = rng.standard_normal((16, 3)), rng.standard_normal((16, 1))
    trainer = bp.Trainer(model, bp.MSE(), bp.SGD(0.1))
    for _ in range(steps):
        trainer.step(x, y)
    return model.parameters()["0.weight"]


@pytest.mark.row("I1")
def test_units_differ_after_one_step():
    weight = after_steps(bp.Sequential(bp.Dense(4), bp.Tanh(), bp.Dense(1), input_shape=(3,), seed=2), 1)
    assert len(np.unique(weight, axis=0)) == 4


@pytest.mark.row("I2")
def test_zero_weights_warn_and_keep_the_units_identical():
    with pytest.warns(UserWarning, match="zero"):
        model = bp.Sequential(
            bp.Dense(4, weight_init="zeros"), bp.Sigmoid(), bp.Dense(1, weight_init="zeros"),
            input_shape=(3,), dtype="float64",
        )  # fmt: skip
    model.parameters()["2.weight"][:] = 0.5  # the same for all, so that they get a gradient, and the same one
    weight = after_steps(model, 100)
    assert weight.any()
    np.testing.assert_array_equal(weight, np.tile(weight[0], (4, 1)))
