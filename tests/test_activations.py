"""Activations: their derivatives, their ends, and softmax."""

import numpy as np
import pytest

import backpass as bp
import reference
from registry import (
    ACTIVATIONS,
    DTYPES,
    ISAS,
    TOLERANCE,
    generator,
    using_isa,
)


def test_every_activation_of_the_core_is_under_test():
    """Those of its list, which `Dense` knows by name; the layers without settings are made by it."""
    assert {*bp._core.activations()} == {*ACTIVATIONS}
    for name, layer, doc, _ in bp._core.plain_activations():
        assert bp.Dense(1, activation=name).activation == name
        assert getattr(bp, layer).__doc__.startswith(doc)
        assert doc in getattr(bp, name).__doc__


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
    far = 1e11 if activation == "sin" else 1e30  # beyond 1e12, neighbours in float32 are many periods apart
    z = np.array([[-far, -1e4, -100, -30, 30, 100, 1e4, far, np.nan]], dtype=dtype)
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
