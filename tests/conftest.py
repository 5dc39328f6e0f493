"""What tests share: a model, data for it, and numbers that do not depend on what ran before."""

import numpy as np
import pytest

import backpass as bp


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def model():
    """Four inputs, eight hidden units, three outputs."""
    return bp.Sequential(bp.Dense(8, activation="tanh"), bp.Dense(3), input_shape=4, seed=1)


@pytest.fixture
def data(rng):
    """Twenty rows for `model`, and labels."""
    return rng.standard_normal((20, 4)).astype(np.float32), rng.integers(0, 3, 20)
