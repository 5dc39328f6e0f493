"""Warnings that would be wrong are not given; those beside them are."""

import numpy as np
import pytest

import backpass as bp
from registry import generator

STOPPED = r"\[fit\] all gradients are zero: the model has stopped learning"
SAME = r"\[Dense {}\] all weights are zero: hidden units that start the same stay the same"


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_last_batch_that_counts_for_nothing(accumulate):
    rng = generator("alarms")
    x, y, weight = rng.standard_normal((8, 3)), rng.integers(0, 3, 8), np.ones(8)
    fit = {"batch_size": 2, "shuffle": False, "accumulate": accumulate, "progress": False}
    y[-4:], weight[-4:] = 2, 0
    bp.Sequential(bp.Dense(3), seed=0).fit(x, y, loss=bp.CrossEntropy(ignore_index=2), optimizer=bp.SGD(0.1), **fit)
    bp.Sequential(bp.Dense(3), seed=0).fit(
        x, y, loss=bp.CrossEntropy(), optimizer=bp.SGD(0.1), sample_weight=weight, **fit
    )


def test_a_last_batch_that_is_met():
    """Of a hinge: rows beyond the margin have no gradient."""
    x, y = np.array([[0.1], [0.2], [9.0]]), np.ones((3, 1))
    model = bp.Sequential(bp.Dense(1, weight_init="ones"), seed=0)
    fit = {"optimizer": bp.SGD(1e-3), "batch_size": 1, "shuffle": False, "progress": False}
    model.fit(x, y, loss=lambda p, t: bp.relu(1.0 - p * t), **fit)
    assert not model.flat_gradients.any()


def test_dead_units_are_told_as_before():
    x, y = np.ones((9, 2)), np.ones((9, 1))
    model = bp.Sequential(bp.Dense(4, activation="relu"), bp.Dense(1), input_shape=2, seed=0)
    model.parameters()["0.bias"][:] = -1e6
    model.parameters()["1.bias"][:] = 1.0
    model.freeze("1.bias")
    with pytest.warns(UserWarning, match=STOPPED):
        model.fit(x, y * 2, loss=bp.MSE(), optimizer=bp.SGD(0.1), batch_size=4, progress=False)


@pytest.mark.parametrize(
    ("layers", "warned"),
    [
        ([bp.Dense(4, "tanh"), bp.Dense(1, weight_init="zeros")], None),
        ([bp.Dense(1, weight_init="zeros")], None),
        ([bp.Dense(4, "tanh", weight_init="zeros"), bp.Dense(1)], None),
        ([bp.Dense(4, weight_init="zeros"), bp.LeakyReLU(), bp.Dense(1)], None),
        ([bp.Dense(4, "tanh", weight_init="zeros"), bp.Dense(1, weight_init="zeros")], 0),
        ([bp.Dense(4, "relu", weight_init="zeros"), bp.Dense(1)], 0),
        ([bp.Dense(3), bp.Dense(4, weight_init="zeros"), bp.ReLU(), bp.Dropout(0.1), bp.Dense(1)], 1),
    ],
    ids=range(7),
)
def test_zeros_are_told_where_units_stay_the_same(layers, warned):
    """And they do stay the same there, and only there."""
    x = generator("zeros").standard_normal((16, 3))
    if warned is None:
        model = bp.Sequential(*layers, input_shape=3, seed=0)
    else:
        with pytest.warns(UserWarning, match=SAME.format(warned)):
            model = bp.Sequential(*layers, input_shape=3, seed=0)
    trainer = bp.Trainer(model, bp.MSE(), bp.SGD(0.1))
    for _ in range(5):
        trainer.step(x, x[:, :1])
    zeros = next(i for i, layer in enumerate(layers) if isinstance(layer, bp.Dense) and layer.weight_init == "zeros")
    units = model.parameters()[f"{zeros}.weight"]
    assert len(np.unique(units, axis=0)) == (len(units) if warned is None else 1)
