"""Layers that disturb: Gaussian noise and alpha dropout."""

import numpy as np
import pytest

import backpass as bp
import reference
from registry import DTYPES, ISAS, TOLERANCE, using_isa


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", ISAS)
def test_noise_is_the_normal_quantile_of_the_streams_words(isa, dtype):
    from scipy.stats import norm

    with using_isa(isa):
        model = bp.Sequential(bp.GaussianNoise(1.0), input_shape=301, seed=9, dtype=dtype)
        noise = model.forward(np.zeros((7, 301)), random_step=4)
    words = reference.random_words(7 * 301, 9, 0, 4).astype(np.float64)
    quantile = norm.ppf((words + 0.5) / 2**32).reshape(7, 301)
    np.testing.assert_allclose(noise, quantile, rtol=1e-5 if dtype == "float32" else 1e-13, atol=TOLERANCE[dtype])


def test_noise_is_normal_and_only_in_training():
    model = bp.Sequential(bp.GaussianNoise(0.5), input_shape=1000, seed=1)
    x = np.ones((1000, 1000), np.float32)
    noise = model.forward(x) - 1
    assert abs(noise.mean()) < 3 * 0.5 / 1000
    assert abs(noise.std() - 0.5) < 3 * 0.5 / 1000 / np.sqrt(2)
    np.testing.assert_array_equal(model.predict(x), x)
    assert not (model.forward(x) - 1 == noise).all()
    np.testing.assert_allclose(model.backward(x), x)


@pytest.mark.row("V5")
def test_alpha_dropout_keeps_mean_and_variance(rng):
    model = bp.Sequential(bp.AlphaDropout(0.3), input_shape=1000, seed=1, dtype="float64")
    x = rng.standard_normal((500, 1000))
    y = model.forward(x)
    assert abs(y.mean()) < 0.01
    assert abs(y.std() - 1) < 0.01
    limit = -1.7580993408473766
    scale = (0.7 * (1 + 0.3 * limit**2)) ** -0.5
    dropped = reference.dropout_mask(x.shape, 0.3, 1, 0, 0) == 0
    np.testing.assert_allclose(y, scale * np.where(dropped, limit, x) - scale * 0.3 * limit, rtol=1e-12)
    np.testing.assert_allclose(model.backward(np.ones_like(x)), np.where(dropped, 0, scale), rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(model.predict(x), x)


@pytest.mark.row("V5")
def test_selu_keeps_mean_and_variance_through_twenty_layers(rng):
    layers = [layer for _ in range(20) for layer in (bp.Dense(256, activation="selu"), bp.AlphaDropout(0.05))]
    model = bp.Sequential(*layers, input_shape=256, seed=0)
    y = model.forward(rng.standard_normal((512, 256)))
    assert abs(y.mean()) < 0.2
    assert abs(y.var() - 1) < 0.2
