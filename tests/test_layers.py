"""Every layer against the reference and central differences: forward, gradients, types, ISAs; dropout."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backpass as bp
import reference
from registry import (
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
