"""Training that explodes: it is stopped and named, and nothing is changed."""

import math

import numpy as np
import pytest

import backpass as bp
from registry import DTYPES, generator
from test_training import classifier


@pytest.mark.row("S2")
@pytest.mark.row("C6")
@pytest.mark.parametrize("dtype", DTYPES)
def test_exploding_training_is_stopped_and_named(dtype):
    rng = generator("explode")
    x, y = 10 * rng.standard_normal((32, 4)), rng.standard_normal((32, 1))
    model = bp.Sequential(bp.Dense(8), bp.ReLU(), bp.Dense(1), input_shape=(4,), seed=1, dtype=dtype)
    with pytest.raises(bp.DivergedError) as caught:
        model.fit(x, y, loss=bp.MSE(), optimizer=bp.SGD(100.0), epochs=500, batch_size=16, progress=False)
    error = caught.value
    assert 0 <= error.epoch < 500
    assert error.batch in (0, 1)
    assert error.layer in ("Dense 0", "ReLU 1", "Dense 2", "the loss")
    assert str(error.epoch) in str(error)
    assert error.layer in str(error)


@pytest.mark.row("S2")
@pytest.mark.row("C6")
def test_a_diverged_step_changes_nothing():
    model = bp.Sequential(bp.Dense(3), bp.Tanh(), bp.Dense(1), input_shape=(2,), seed=1)
    model.parameters()["2.weight"][0, 1] = np.inf
    before = model.flat_parameters.copy()
    with pytest.raises(bp.DivergedError) as caught:
        model.fit(np.ones((6, 2)), np.ones(6), loss=bp.MSE(), optimizer=bp.Adam(), batch_size=2, progress=False)
    assert (caught.value.epoch, caught.value.batch, caught.value.layer) == (0, 0, "Dense 2")
    np.testing.assert_array_equal(model.flat_parameters, before)


@pytest.mark.row("C6")
def test_a_step_by_hand_passes_the_loss_through_and_changes_nothing():
    model = classifier()
    before = model.flat_parameters.copy()
    value = bp.Trainer(model, bp.CrossEntropy(), bp.SGD(0.1)).step(np.full((2, 4), np.nan), np.array([0, 1]))
    assert math.isnan(value)
    np.testing.assert_array_equal(model.flat_parameters, before)
