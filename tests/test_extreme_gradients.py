"""Updates from gradients near the limits of their type: Muon has no scale, clipping by norm has its own."""

import numpy as np
import pytest

import backpass as bp
from registry import DTYPES, ISAS, using_isa

SCALES = {"float32": (1e-32, 1e-12, 1.0, 1e20, 1e36), "float64": (1e-290, 1e-12, 1.0, 1e20, 1e290)}


def model_with(gradient, dtype):
    model = bp.Sequential(bp.Dense(5, bias=False), input_shape=7, seed=2, dtype=dtype)
    model.flat_gradients[:] = gradient
    return model


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_muon_does_not_depend_on_the_scale_of_the_gradient(dtype, isa):
    gradient, steps = np.random.default_rng(7).standard_normal(35), []
    with using_isa(isa):
        for scale in SCALES[dtype]:
            model = model_with(gradient * scale, dtype)
            before = model.flat_parameters.astype(float)
            bp.Muon(0.1, weight_decay=0.0).step(model)
            steps.append(model.flat_parameters.astype(float) - before)
    singular = np.linalg.svd(steps[2].reshape(5, 7), compute_uv=False)
    assert (singular > 0.05).all()
    for step in steps:
        np.testing.assert_allclose(step, steps[2], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("dtype", DTYPES)
def test_muon_leaves_a_gradient_of_0_alone(dtype):
    model = model_with(0.0, dtype)
    before = model.flat_parameters.copy()
    bp.Muon(0.1, weight_decay=0.0).step(model)
    np.testing.assert_array_equal(model.flat_parameters, before)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(
    ("dtype", "size"), [("float32", 3e38), ("float32", 1e20), ("float64", 1e160), ("float64", 1e300)]
)
@pytest.mark.parametrize("limit", [1.0, 1e-3])
def test_clipping_by_norm_of_the_largest_gradients(limit, dtype, size, isa):
    gradient = np.array([1.0, -0.5, 0.25, 0, 1.0] * 7)
    with using_isa(isa):
        model = model_with((gradient * size).astype(dtype), dtype)
        model.flat_parameters[:] = 0
        bp.SGD(1.0, clip_norm=limit).step(model)
    expected = -limit * gradient / np.linalg.norm(gradient)
    np.testing.assert_allclose(model.flat_parameters, expected, rtol=1e-5 if dtype == "float32" else 1e-6)
