"""Simple problems that must be solved: XOR, a line, one neuron, classes apart."""

import time

import numpy as np
import pytest

import backpass as bp
import reference
from test_training import FIT, blobs, classifier


@pytest.mark.row("D1")
@pytest.mark.row("C4")
def test_xor_is_learned_from_every_seed():
    for seed in range(20):
        model = bp.Sequential(
            bp.Dense(4), bp.Sigmoid(), bp.Dense(1), bp.Sigmoid(), input_shape=(2,), seed=seed, dtype="float64"
        )
        x, y = reference.XOR_INPUTS, reference.XOR_TARGETS
        history = model.fit(x, y, loss=bp.HalfMSE(), optimizer=bp.SGD(4.0), epochs=3000, batch_size=4, progress=False)
        prediction = model.predict(x)
        assert ((prediction > 0.5) == (y > 0.5)).all(), seed
        assert np.square(prediction - y).mean() < 0.01, seed
        assert history["loss"][-1] < history["loss"][0]


@pytest.mark.row("D1")
def test_the_reference_learns_xor_too():
    assert max(reference.train_xor(seed) for seed in range(2)) < 0.01


@pytest.mark.row("C4")
@pytest.mark.row("D5")
def test_a_line_is_fitted():
    x = np.linspace(-1, 1, 50)[:, None]
    y = 3 * x - 2
    model = bp.Sequential(bp.Dense(1), input_shape=(1,), seed=1, dtype="float64")
    started = time.perf_counter()
    history = model.fit(
        x, y, loss=bp.MSE(), optimizer=bp.SGD(0.3), epochs=200, batch_size=50, threads=1, progress=False
    )
    assert time.perf_counter() - started < 5
    assert model.parameters()["0.weight"].item() == pytest.approx(3, abs=1e-6)
    assert model.parameters()["0.bias"].item() == pytest.approx(-2, abs=1e-6)
    assert history["loss"][-1] < history["loss"][0]


@pytest.mark.row("C4")
@pytest.mark.row("D5")
def test_one_neuron_learns_or():
    x, y = reference.XOR_INPUTS, np.array([[0.0], [1], [1], [1]])
    model = bp.Sequential(bp.Dense(1), bp.Sigmoid(), input_shape=(2,), seed=1)
    started = time.perf_counter()
    history = model.fit(
        x, y, loss=bp.MSE(), optimizer=bp.SGD(2.0), epochs=1000, batch_size=4, threads=1, progress=False
    )
    assert time.perf_counter() - started < 5
    np.testing.assert_array_equal(model.predict(x) > 0.5, y > 0.5)
    assert history["loss"][-1] < history["loss"][0]


@pytest.mark.row("D5")
def test_classes_are_told_apart():
    x, y = blobs(300)
    model = classifier(rate=0.1)
    history = model.fit(
        x[:200], y[:200], optimizer=bp.Adam(1e-2), epochs=30, validation_data=(x[200:], y[200:]),
        metrics=["accuracy"], seed=1, **FIT,
    )  # fmt: skip
    assert history["loss"][-1] < history["loss"][0] / 4
    assert history["val_accuracy"][-1] > 0.95
    assert model.evaluate(x[200:], y[200:], metrics=["accuracy"])["accuracy"] == history["val_accuracy"][-1]
