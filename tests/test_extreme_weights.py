"""Sample weights near the limits of a type, subnormal numbers by every way in, and rows without elements."""

import numpy as np
import pytest

import backpass as bp
from registry import DTYPES

LIMITS = {"float32": (1e-38, 1e38), "float64": (1e-308, 1e308)}


@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_that_a_type_would_lose_are_refused(dtype):
    model = bp.Sequential(bp.Dense(1), input_shape=2, seed=1, dtype=dtype)
    x, y = np.ones((3, 2), dtype), np.arange(3.0)
    trainer = bp.Trainer(model, bp.MSE(), bp.SGD(0.1))
    before = model.flat_parameters.copy()
    for weight in LIMITS[dtype]:
        for way in (
            lambda w: bp.MSE().value_and_grad(np.ones((3, 1), dtype), y, w),
            lambda w: trainer.step(x, y, w),
            lambda w: model.fit(x, y, sample_weight=w, loss=bp.MSE(), optimizer=bp.SGD(0.1), epochs=1, progress=False),
            lambda w: model.evaluate(x, y, loss=bp.MSE(), sample_weight=w),
        ):
            with pytest.raises(ValueError, match=r"\[sample_weight\] must be 0 or between .* in row 1; only ratios"):
                way(np.array([1.0, weight, 0.0]))
        with pytest.raises(ValueError, match="class_weight must be 0 or between"):
            bp.CrossEntropy(class_weight=[1.0, weight]).value_and_grad(np.zeros((1, 2), dtype), np.array([0]))
    np.testing.assert_array_equal(model.flat_parameters, before)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1e-29, 1e-10, 1e10, 1e29])
def test_only_ratios_of_weights_count(scale, dtype):
    rng = np.random.default_rng(8)
    p, y, weight = rng.standard_normal((6, 2)).astype(dtype), rng.standard_normal((6, 2)), rng.uniform(0.5, 2, 6)
    value, grad = bp.MSE().value_and_grad(p, y, weight)
    scaled, scaled_grad = bp.MSE().value_and_grad(p, y, weight * scale)
    assert scaled == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(scaled_grad, grad, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:.*all gradients are zero")
def test_subnormal_floats_are_the_same_numbers_by_every_way_in():
    x = np.array([[1e-40], [-3e-42], [1.4e-45], [0.0]], np.float32)
    exact = x.astype(np.float64) * 1e300

    def fitted(*data):
        model = bp.Sequential(bp.Dense(1, bias=False), input_shape=1, dtype="float64")
        model.flat_parameters[:] = 1e300
        settings = {"epochs": 1, "batch_size": 4, "shuffle": False, "progress": False}
        model.fit(*data, loss=bp.MSE(), optimizer=bp.SGD(1.0), **settings)
        return model

    assert (bp.Sequential(bp.Identity(), input_shape=1, dtype="float64").predict(x) == x.astype(np.float64)).all()
    y = exact.copy()
    by_arrays = fitted(x, y)
    by_stream = fitted(bp.Stream(lambda: iter([(x, y)])))
    as_doubles = fitted(x.astype(np.float64), y)
    for model in (by_arrays, by_stream, as_doubles):
        assert model.evaluate(x, y, loss=bp.MSE()) == {"loss": 0.0}
        np.testing.assert_array_equal(model.predict(x), exact)
        np.testing.assert_array_equal(model.flat_parameters, as_doubles.flat_parameters)


@pytest.mark.parametrize("dtype", DTYPES)
def test_log_sum_exp_of_nothing_is_the_logarithm_of_0(dtype):
    x = bp.input((3, 0), dtype, "x")
    y = bp.log_sum_exp(x)
    value, grad = bp.Graph([x], [y, *bp.gradients(bp.sum(y), [x])])(np.zeros((3, 0), dtype))
    np.testing.assert_array_equal(value, [-np.inf] * 3)
    assert grad.shape == (3, 0)
