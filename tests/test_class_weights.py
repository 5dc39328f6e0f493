"""Weights of classes in a fit."""

import numpy as np
import pytest

import backpass as bp
from registry import generator


def test_balanced_weights_are_those_of_scikit_learn():
    utils = pytest.importorskip("sklearn.utils.class_weight")
    labels = generator("balanced").choice(4, 50, p=[0.5, 0.3, 0.15, 0.05])
    expected = utils.compute_class_weight("balanced", classes=np.arange(4), y=labels)
    assert bp.balanced_class_weights(labels, 4) == pytest.approx(expected, rel=1e-15)
    assert bp.balanced_class_weights([0, 0, 2, -100], 4, ignore_index=-100) == [0.75, 0.0, 1.5, 0.0]
    for bad in (lambda: bp.balanced_class_weights([0], 0), lambda: bp.balanced_class_weights([[0]], 2)):
        with pytest.raises(ValueError, match=r"\[balanced_class_weights\]"):
            bad()


def fitted(x, y, **settings):
    model = bp.Sequential(bp.Dense(3), input_shape=2, seed=1, dtype="float64")
    options = {"loss": bp.CrossEntropy(), "optimizer": bp.SGD(0.1), "batch_size": 7, "seed": 2, "progress": False}
    return model, model.fit(x, y, **{**options, **settings})


@pytest.mark.row("L2")
@pytest.mark.parametrize("sample", [None, np.linspace(0.5, 2, 30)], ids=["plain", "weighted"])
@pytest.mark.parametrize("given", ["balanced", {0: 0.5, 2: 3}, {1: 0}])
def test_class_weights_are_sample_weights(rng, given, sample):
    x, y = rng.standard_normal((30, 2)), rng.choice(3, 30, p=[0.6, 0.3, 0.1])
    of_class = bp.balanced_class_weights(y, 3) if given == "balanced" else [given.get(i, 1) for i in range(3)]
    weights = np.array(of_class)[y] * (1 if sample is None else sample)
    ours, history = fitted(x, y, class_weight=given, sample_weight=sample)
    expected, expected_history = fitted(x, y, sample_weight=weights)
    np.testing.assert_array_equal(ours.flat_parameters, expected.flat_parameters)
    assert history == expected_history


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"class_weight": "even"}, ValueError, "class_weight must be one of balanced, got 'even'"),
        ({"class_weight": [1, 2, 3]}, TypeError, "class_weight must be 'balanced' or a dict"),
        ({"class_weight": {3: 1.0}}, ValueError, r"class_weight must have labels in \[0, 3\), got 3"),
        ({"class_weight": {"a": 1.0}}, TypeError, "class_weight's label must be an integer"),
        ({"class_weight": {0: -1.0}}, ValueError, "class_weight must be finite and not negative"),
        ({"class_weight": "balanced", "y": np.eye(3)[[0, 1, 2, 0]]}, ValueError, "needs integer labels"),
        ({"class_weight": "balanced", "loss": bp.MSE(), "y": np.ones((4, 3))}, ValueError, "needs integer labels"),
        ({"class_weight": "balanced", "sample_weight": np.ones(3)}, ValueError, "sample_weight"),
    ],
)
def test_class_weights_that_do_not_fit_are_refused(changes, error, message):
    x, y = np.ones((4, 2)), changes.pop("y", np.array([0, 1, 2, 0]))
    with pytest.raises(error, match=message):
        fitted(x, y, **changes)
