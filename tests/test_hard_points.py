"""Losses and activations against mpmath where rounding hurts: far out, near 0, and where large numbers cancel."""

import mpmath as mp
import numpy as np
import pytest

import backpass as bp
from registry import DTYPES, ISAS, using_isa

# Of rounded inputs and a few operations; of exp, whose argument is rounded, too.
TOLERANCE = {"float32": 3e-6, "float64": 1e-14}
TINY = {"float32": 1e-37, "float64": 1e-300}

LOGITS = ([1e8, 1e8], [1e4, 1e4], [100.0, 90.0], [90.0, 100.0], [20.0, 0.0, -20.0], [3e7, 1.0, 3e7], [0.5, 0.25, 0.125])
ERRORS = (0.0, 1e-20, 1e-4, -1e-4, 1e-3, 0.3, 0.9999, 1.0001, -2.0, 40.0, 1e4)
POINTS = (-1e4, -90.0, -30.0, -5.0, -1.0, -1e-4, -1e-10, 0.0, 1e-10, 1e-4, 0.7, 1.0, 5.0, 30.0, 90.0, 1e4)


@pytest.fixture(autouse=True)
def digits():
    with mp.workdps(60):
        yield


def exactly(numbers, dtype):
    """As mpmath sees what the library is given."""
    return [mp.mpf(float(x)) for x in np.asarray(numbers, dtype)]


def near(found, expected, dtype, factor=1):
    expected = float(expected)
    assert abs(float(found) - expected) <= factor * (TOLERANCE[dtype] * abs(expected) + TINY[dtype]), (found, expected)


def surprise(z, label):
    return mp.log(mp.fsum(mp.exp(x - z[label]) for x in z))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("z", LOGITS, ids=str)
def test_cross_entropy_of_labels_and_rows(z, dtype, isa):
    exact, prediction = exactly(z, dtype), np.array([z], dtype)
    with using_isa(isa):
        for label in range(len(z)):
            expected = surprise(exact, label)
            near(bp.CrossEntropy().value_and_grad(prediction, np.array([label]))[0], expected, dtype)
            near(bp.CrossEntropy().value_and_grad(prediction, np.eye(len(z))[[label]])[0], expected, dtype)
        smoothed = bp.CrossEntropy(label_smoothing=0.25).value_and_grad(prediction, np.array([0]))[0]
        each = mp.fsum(surprise(exact, i) for i in range(len(z))) / len(z)
        near(smoothed, mp.mpf("0.75") * surprise(exact, 0) + mp.mpf("0.25") * each, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("z", LOGITS, ids=str)
def test_focal(z, dtype):
    exact, prediction = exactly(z, dtype), np.array([z], dtype)
    for label in range(len(z)):
        s = surprise(exact, label)
        expected = s * (-mp.expm1(-s)) ** 2
        value, grad = bp.Focal().value_and_grad(prediction, np.array([label]))
        near(value, expected, dtype, 10)
        assert np.isfinite(grad).all()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_log_cosh_and_its_gradient(dtype, isa):
    with using_isa(isa):
        for error, exact in zip(ERRORS, exactly(ERRORS, dtype), strict=True):
            value, grad = bp.LogCosh().value_and_grad(np.array([[error]], dtype), np.zeros((1, 1)))
            near(value, mp.log(mp.cosh(exact)), dtype)
            near(grad[0, 0], mp.tanh(exact), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("target", [0.0, 1.0, 0.25])
def test_binary_cross_entropy_and_its_gradient(target, dtype):
    for point, z in zip(POINTS, exactly(POINTS, dtype), strict=True):
        value, grad = bp.BinaryCrossEntropy().value_and_grad(np.array([[point]], dtype), np.array([[target]]))
        positive, negative = mp.log1p(mp.exp(-z)), mp.log1p(mp.exp(z))
        near(value, target * positive + (1 - target) * negative, dtype, 4)
        s = 1 / (1 + mp.exp(-z))
        difference = (1 - target) * s - target / (1 + mp.exp(z))
        assert abs(grad[0, 0] - float(difference)) <= TOLERANCE[dtype] * (float(s) if target == 0 else 1) + TINY[dtype]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("loss", "formula"),
    [
        (bp.MSE(), lambda p, y: (p - y) ** 2),
        (bp.MAE(), lambda p, y: abs(p - y)),
        (bp.Huber(), lambda p, y: (p - y) ** 2 / 2 if abs(p - y) <= 1 else abs(p - y) - mp.mpf("0.5")),
        (bp.Quantile(0.75), lambda p, y: mp.mpf("0.25") * (p - y) if p > y else mp.mpf("0.75") * (y - p)),
        (bp.LogCosh(), lambda p, y: mp.log(mp.cosh(p - y))),
    ],
    ids=["mse", "mae", "huber", "quantile", "log_cosh"],
)
def test_small_errors_of_large_numbers(loss, formula, dtype):
    """The difference of two numbers that are close is exact: nothing of it is lost afterwards."""
    for p, y in ((1000.0625, 1000.0), (4096.0, 4096.5), (1e6, 1e6 + 1), (0.25, 0.5), (3.0, 3.0)):
        found = loss.value_and_grad(np.array([[p]], dtype), np.array([[y]], dtype))[0]
        near(found, formula(*exactly([p, y], dtype)), dtype)


ACTIVATIONS = {
    "sigmoid": (bp.sigmoid, lambda x: 1 / (1 + mp.exp(-x))),
    "tanh": (bp.tanh, mp.tanh),
    "softplus": (bp.softplus, lambda x: mp.log1p(mp.exp(x))),
    "elu": (bp.elu, lambda x: x if x > 0 else mp.expm1(x)),
    "silu": (bp.silu, lambda x: x / (1 + mp.exp(-x))),
    "mish": (bp.mish, lambda x: x * mp.tanh(mp.log1p(mp.exp(x)))),
    "gelu": (bp.gelu, lambda x: x * mp.erfc(-x / mp.sqrt(2)) / 2),
    "erf": (bp.erf, mp.erf),
    "exp": (bp.exp, mp.exp),
}


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name, dtype, isa):
    build, formula = ACTIVATIONS[name]
    points = np.array([x for x in POINTS if name != "exp" or abs(x) <= 80], dtype)
    with using_isa(isa):
        x = bp.input((len(points),), dtype, "x")
        (found,) = bp.Graph([x], [build(x)])(points)
    for y, exact in zip(np.ravel(found), exactly(points, dtype), strict=True):
        near(y, formula(exact), dtype, 30)
