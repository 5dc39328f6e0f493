"""What a model goes by: saliency, integrated gradients, and what an autoencoder cannot rebuild."""

import numpy as np
import pytest

import backpass as bp
from backpass.tables import TableModel


@pytest.fixture(scope="module")
def fitted():
    """A model of ten columns, of which 3 and 7 count."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((500, 10))
    y = 2 * x[:, 3] - np.sin(2 * x[:, 7]) + 0.05 * rng.standard_normal(500)
    model = TableModel(seed=0, epochs=80).fit(x, y)
    assert model.evaluate(x, y)["r2"] > 0.9
    return model, x.astype(np.float32)


def gradient_by_row(model, x):
    f, parameters = model.network.functional()
    return bp.grad(lambda rows: bp.sum(f(parameters, rows)))(x)


@pytest.mark.row("W8")
def test_saliency_finds_the_columns_that_count(fitted):
    model, x = fitted
    saliency = np.abs(gradient_by_row(model, x)).mean(axis=0)
    assert set(np.argsort(saliency)[-2:]) == {3, 7}


@pytest.mark.row("W11")
def test_integrated_gradients_add_up_to_the_difference(fitted):
    """Sundararajan et al. 2017: completeness."""
    model, x = fitted
    x = x[:20]
    steps = (np.arange(256) + 0.5) / 256
    path = np.concatenate([share * x for share in steps]).astype(np.float32)
    mean = gradient_by_row(model, path).reshape(256, *x.shape).mean(axis=0)
    attributions = (x * mean).sum(axis=1)
    difference = model.predict(x) - model.predict(np.zeros_like(x))
    np.testing.assert_allclose(attributions, difference, rtol=0.01, atol=0.01 * np.abs(difference).max())


@pytest.mark.row("G23")
def test_an_autoencoder_tells_outliers():
    rng = np.random.default_rng(0)
    basis = rng.standard_normal((3, 12))
    ordinary = np.tanh(rng.standard_normal((800, 3)) @ basis) + 0.05 * rng.standard_normal((800, 12))
    strange = rng.uniform(-1, 1, (200, 12))
    model = bp.Sequential(
        bp.Dense(16, activation="tanh"),
        bp.Dense(3),
        bp.Dense(16, activation="tanh"),
        bp.Dense(12),
        input_shape=12,
        seed=0,
    )
    model.fit(ordinary[:600], ordinary[:600], loss="mse", optimizer=bp.Adam(3e-3), epochs=80, batch_size=32)
    seen = np.concatenate([ordinary[600:], strange])
    error = np.square(model.predict(seen) - seen).mean(axis=1)
    rank = error.argsort().argsort() + 1
    auc = (rank[200:].sum() - 200 * 201 / 2) / (200 * 200)
    assert auc >= 0.95
