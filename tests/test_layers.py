"""Every layer against the reference and central differences: forward, gradients, batch sizes, types, ISAs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backpass as bp
import reference
from registry import (
    ACTIVATIONS,
    BATCH_SIZES,
    DTYPES,
    ISAS,
    LAYERS,
    TOLERANCE,
    by_name,
    distance_to,
    generator,
    using_isa,
)

FEATURES = 6


def built(case, dtype="float64", features=FEATURES):
    return bp.Sequential(case.make(), input_shape=(features,), seed=11, dtype=dtype)


def off_kinks(case, model, rng, batch, features=FEATURES):
    """Rows at which no activation is close to its kink."""
    x = rng.uniform(-2, 2, (8 * batch + 64, features))
    weights = {name: value.astype(np.float64) for name, value in model.parameters().items()}
    z = x if case.units is None else reference.dense_forward(x, weights["0.weight"], weights.get("0.bias", 0.0))
    return x[distance_to(case.kinks, z) > 1e-2][:batch]


def check_layer(case, dtype, batch):
    """Forward and every gradient against the reference, with the inputs left as they were."""
    model, rng = built(case, dtype), generator(case.name, batch)
    x = rng.uniform(-2, 2, (batch, FEATURES)).astype(dtype)
    weights = {name: value.astype(np.float64) for name, value in model.parameters().items()}
    y = model.forward(x)
    expected = case.forward(weights, x.astype(np.float64))
    grad = rng.standard_normal(expected.shape).astype(dtype)
    kept_x, kept_grad = x.copy(), grad.copy()
    dx = model.backward(grad)
    expected_dx, expected_grads = case.backward(weights, x.astype(np.float64), grad.astype(np.float64))

    assert y.dtype == dx.dtype == np.dtype(dtype)
    close = {"rtol": 10 * TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    np.testing.assert_allclose(y, expected, **close)
    np.testing.assert_allclose(dx, expected_dx, **close)
    assert model.gradients().keys() == expected_grads.keys()
    for name, value in model.gradients().items():
        np.testing.assert_allclose(value, expected_grads[name], err_msg=name, **close)
    np.testing.assert_array_equal(model.predict(x), model.forward(x, training=False))
    np.testing.assert_array_equal(x, kept_x)
    np.testing.assert_array_equal(grad, kept_grad)


@pytest.mark.row("A2")
@pytest.mark.row("P1")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("case", **by_name(LAYERS))
def test_layer_equals_the_reference(case, isa, dtype):
    with using_isa(isa):
        for batch in BATCH_SIZES:
            check_layer(case, dtype, batch)


@pytest.mark.row("V1")
@pytest.mark.row("V2")
@pytest.mark.row("V3")
@pytest.mark.row("V4")
@pytest.mark.row("V8")
@pytest.mark.parametrize("case", **by_name(LAYERS))
def test_layer_gradients_equal_central_differences(case):
    model = built(case)
    x = off_kinks(case, model, generator(case.name), 3)
    y = model.forward(x)
    seed = generator("seed").standard_normal(y.shape)
    dx = model.backward(seed)

    def of_input(values):
        return (model.predict(values) * seed).sum()

    def of_parameters(values):
        model.flat_parameters[:] = values
        return (model.predict(x) * seed).sum()

    assert reference.relative_error(dx, reference.numerical_gradient(of_input, x)) < 1e-7
    numerical = reference.numerical_gradient(of_parameters, model.flat_parameters)
    assert reference.relative_error(model.flat_gradients, numerical) < 1e-7


@given(batch=st.integers(0, 40), features=st.integers(1, 40), units=st.integers(1, 40), data=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_dense_of_any_shape_equals_the_reference(batch, features, units, data):
    rng = np.random.default_rng(data)
    model = bp.Sequential(bp.Dense(units, activation="tanh"), input_shape=(features,), seed=data, dtype="float64")
    x, grad = rng.standard_normal((batch, features)), rng.standard_normal((batch, units))
    weight, bias = model.parameters()["0.weight"], model.parameters()["0.bias"]
    bias[:] = rng.standard_normal(units)
    z = reference.dense_forward(x, weight, bias)
    np.testing.assert_allclose(model.forward(x), np.tanh(z), rtol=1e-11, atol=1e-12)
    dx, dw, db = reference.dense_backward(x, weight, reference.activation_backward("tanh", z, grad))
    np.testing.assert_allclose(model.backward(grad), dx, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(model.gradients()["0.weight"], dw, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(model.gradients()["0.bias"], db, rtol=1e-11, atol=1e-12)


def derivative_of(activation, z):
    """sigma'(z), element by element, as our backward pass has it."""
    model = bp.Sequential(ACTIVATIONS[activation](), input_shape=(1,), dtype="float64")
    column = np.asarray(z, dtype=np.float64).reshape(-1, 1)
    model.forward(column)
    return model.backward(np.ones_like(column)).ravel()


@pytest.mark.row("V1")
def test_derivative_of_sigmoid_is_at_most_a_quarter():
    z = np.linspace(-8, 8, 1601)
    derivative = derivative_of("sigmoid", z)
    assert derivative.max() == derivative_of("sigmoid", [0.0])[0] == 0.25
    assert z[derivative.argmax()] == 0


@pytest.mark.row("V1")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", ISAS)
def test_sigmoid_does_not_overflow(isa, dtype):
    with using_isa(isa):
        model = bp.Sequential(bp.Sigmoid(), input_shape=(2,), dtype=dtype)
        np.testing.assert_allclose(model.forward(np.array([[-1e3, 1e3]])), [[0, 1]], rtol=0, atol=1e-30)
        np.testing.assert_allclose(model.backward(np.ones((1, 2))), [[0, 0]], rtol=0, atol=1e-30)


@pytest.mark.row("V2")
def test_derivative_of_tanh_is_at_most_one():
    derivative = derivative_of("tanh", np.linspace(-8, 8, 1601))
    assert derivative.max() == derivative_of("tanh", [0.0])[0] == 1
    assert derivative.min() > 0


@pytest.mark.row("V3")
def test_derivative_of_relu_is_0_or_1_and_0_at_the_kink():
    derivative = derivative_of("relu", np.linspace(-2, 2, 401))
    assert set(derivative) == {0.0, 1.0}
    assert derivative_of("relu", [-0.0, 0.0, 1e-300]).tolist() == [0, 0, 1]
    assert derivative_of("leaky_relu", [0.0])[0] == 0.01


@pytest.mark.row("V4")
@pytest.mark.parametrize("alpha", [0.3, 1.0, 2.0])
def test_elu_goes_from_minus_alpha_through_zero(alpha):
    model = bp.Sequential(bp.ELU(alpha), input_shape=(4,), dtype="float64")
    z = np.array([[-1e3, -1.0, 0.0, 2.0]])
    np.testing.assert_allclose(model.forward(z), [[-alpha, alpha * np.expm1(-1), 0, 2]], rtol=1e-15)
    np.testing.assert_allclose(model.backward(np.ones((1, 4))), [[0, alpha * np.exp(-1), alpha, 1]], rtol=1e-15)


def test_no_gradient_flows_at_the_bounds_of_hardtanh_and_relu6():
    assert derivative_of("hardtanh", [-2, -1, -0.5, 0, 0.5, 1, 2]).tolist() == [0, 0, 1, 1, 1, 0, 0]
    assert derivative_of("relu6", [-1, 0, 3, 6, 7]).tolist() == [0, 0, 1, 0, 0]


@pytest.mark.row("V8")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if name != "softmax"])
def test_activations_are_right_far_out_and_pass_nan_on(activation, isa, dtype):
    z = np.array([[-1e30, -1e4, -100, -30, 30, 100, 1e4, 1e30, np.nan]], dtype=dtype)
    with using_isa(isa), np.errstate(over="ignore", invalid="ignore"):
        model = bp.Sequential(ACTIVATIONS[activation](), input_shape=z.shape[1:], dtype=dtype)
        limits = {"rtol": TOLERANCE[dtype], "atol": 1e-11}
        finite = z[:, :-1].astype(np.float64)
        y, slope = model.forward(z), model.backward(np.ones_like(z))
    np.testing.assert_allclose(y[:, :-1], reference.activate(activation, finite), **limits)
    np.testing.assert_allclose(slope[:, :-1], reference.activation_backward(activation, finite, 1.0), **limits)
    assert np.isnan(y[0, -1])


@pytest.mark.row("V6")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", ISAS)
def test_rows_of_softmax_sum_to_one(isa, dtype):
    with using_isa(isa):
        for classes in (1, 2, 3, 10, 33):
            model = bp.Sequential(bp.Softmax(), input_shape=(classes,), dtype=dtype)
            y = model.predict(generator(classes).uniform(-50, 50, (9, classes)))
            np.testing.assert_allclose(y.sum(axis=1), 1, rtol=10 * np.finfo(dtype).eps)
            assert (y >= 0).all()


@pytest.mark.row("V6")
def test_jacobian_of_softmax():
    z = generator("jacobian").standard_normal(6)
    model = bp.Sequential(bp.Softmax(), input_shape=(6,), dtype="float64")
    model.forward(np.tile(z, (6, 1)))
    jacobian = model.backward(np.eye(6))  # row i: the gradient of output i
    np.testing.assert_allclose(jacobian, reference.softmax_jacobian(z), rtol=0, atol=1e-14)
    for i in range(6):
        numerical = reference.numerical_gradient(lambda v, i=i: model.predict(v[None])[0, i], z)
        assert reference.relative_error(jacobian[i], numerical) < 1e-7


@pytest.mark.row("S8")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", ISAS)
def test_softplus_and_log_sigmoid_at_both_ends(isa, dtype):
    """log sigmoid(z) = -softplus(-z)."""
    z = np.array([[-1e4, -100, -1, 0, 1, 100, 1e4]], dtype=dtype)
    with using_isa(isa):
        model = bp.Sequential(bp.Softplus(), input_shape=(7,), dtype=dtype)
        np.testing.assert_allclose(model.predict(z), reference.softplus(z), rtol=1e-6, atol=1e-37)
        np.testing.assert_allclose(-model.predict(-z), -reference.softplus(-z), rtol=1e-6, atol=1e-37)
        model.forward(z)
        np.testing.assert_allclose(model.backward(np.ones_like(z)), reference.sigmoid(z), rtol=1e-6, atol=1e-37)


# Dropout.


@pytest.mark.row("R1")
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_dropout_draws_the_masks_of_the_reference(isa, dtype):
    """The key is the model's seed; the counter holds element, dropout layer and step."""
    with using_isa(isa):
        model = bp.Sequential(bp.Dropout(0.3), bp.Dropout(0.6), input_shape=(37,), seed=2**40 + 5, dtype=dtype)
        for step in range(3):
            y = model.forward(np.ones((11, 37)))
            masks = [reference.dropout_mask((11, 37), rate, model.seed, at, step) for at, rate in enumerate((0.3, 0.6))]
            np.testing.assert_allclose(y, masks[0] * masks[1], rtol=1e-6)


@pytest.mark.row("R1")
def test_dropout_keeps_its_rate_and_its_mean():
    n = 400_000
    for rate in (0.1, 0.5, 0.9):
        model = bp.Sequential(bp.Dropout(rate), input_shape=(100,), seed=1, dtype="float64")
        y = model.forward(np.ones((n // 100, 100)))
        kept = np.count_nonzero(y) / n
        assert abs(kept - (1 - rate)) < 3 * np.sqrt(rate * (1 - rate) / n)
        np.testing.assert_allclose(y[y != 0], 1 / (1 - rate), rtol=1e-15)


@pytest.mark.row("R1")
def test_dropout_is_the_identity_when_predicting():
    model = bp.Sequential(bp.Dropout(0.5), input_shape=(8,), seed=1)
    x = generator("x").standard_normal((5, 8)).astype(np.float32)
    np.testing.assert_array_equal(model.predict(x), x)
    np.testing.assert_array_equal(model.forward(x, training=False), x)


@pytest.mark.row("R1")
def test_backward_uses_the_mask_of_its_forward():
    model = bp.Sequential(bp.Dropout(0.5), input_shape=(64,), seed=1, dtype="float64")
    x = np.ones((9, 64))
    first, second = model.forward(x), model.forward(x)
    np.testing.assert_array_equal(model.backward(x), second)
    assert not np.array_equal(first, second)


@pytest.mark.row("R1")
def test_dropout_is_reproducible():
    def masks(seed):
        model = bp.Sequential(bp.Dropout(0.5), input_shape=(64,), seed=seed)
        return [model.forward(np.ones((4, 64))) for _ in range(2)]

    np.testing.assert_array_equal(masks(5), masks(5))
    assert not np.array_equal(masks(5), masks(6))


# Initialization.


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
