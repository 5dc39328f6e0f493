"""Why gradients are zero at the end of a fit: the cause is named, and nothing is said where none is needed."""

import warnings

import numpy as np
import pytest

import backpass as bp
from registry import generator


def hinge(prediction, target):
    return bp.relu(1 - prediction * target)


def constant(prediction, target):
    return bp.mean(target * target, axis=1) + 0 * bp.mean(prediction, axis=1)


def blobs():
    """Two classes far apart."""
    rng = generator("blobs")
    yes = np.arange(100) % 2
    return rng.standard_normal((100, 2)) + np.where(yes, 8, -8)[:, None], yes


def fitted(y, loss, **settings):
    model = bp.Sequential(bp.Dense(settings.pop("units", 1)), seed=0)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        history = model.fit(blobs()[0], y, loss=loss, optimizer=bp.Adam(0.5), progress=False, **settings)
    return history["loss"][-1], [str(warning.message) for warning in heard]


@pytest.mark.parametrize(
    ("loss", "units", "signs"),
    [(hinge, 1, True), ("cross_entropy", 2, False), ("focal", 2, False), ("bce", 1, False)],
    ids=["hinge", "cross-entropy", "focal", "yes or no"],
)
def test_a_loss_at_its_least_is_no_mistake(loss, units, signs):
    yes = blobs()[1]
    value, messages = fitted(2 * yes - 1 if signs else yes, loss, units=units, epochs=100)
    assert value < 1e-7
    assert messages == []


def test_labels_that_are_all_ignored_are_told():
    _, messages = fitted(np.full(100, -1), bp.CrossEntropy(ignore_index=-1), units=2)
    assert messages == ["[fit] all gradients are zero: every row has the label that the loss ignores (ignore_index)"]


def test_a_loss_without_gradient_is_told():
    _, messages = fitted(blobs()[1] + 1, constant)
    assert len(messages) == 1
    assert messages[0].startswith("[fit] all gradients are zero: the loss has none by the outputs")


def test_what_moves_though_parameters_do_not_is_trained():
    """Running statistics."""
    model = bp.Sequential(bp.Dense(3), bp.BatchNorm(), bp.Dense(1), input_shape=2, seed=0)
    model.freeze(*model.parameters())
    before = model.states()["1.running_mean"].copy()
    model.fit(blobs()[0], blobs()[1], loss="mse", optimizer="adam", progress=False)
    assert (model.states()["1.running_mean"] != before).any()


# Units that stay the same.


def own(shape, rng):
    return np.full(shape, 0.5)


SAME = r"\[Dense {}\] all units have the same weights: hidden units that start the same stay the same"
CASES = {
    "ones before ones": ([bp.Dense(4, "tanh", weight_init="ones"), bp.Dense(1, weight_init="ones")], 0),
    "a function": ([bp.Dense(4, weight_init=own), bp.BatchNorm(), bp.Tanh(), bp.Dense(2, weight_init=own)], 0),
    "before zeros": ([bp.Dense(3), bp.Dense(4, weight_init="ones"), bp.ReLU(), bp.Dense(1, weight_init="zeros")], 1),
    "before random": ([bp.Dense(4, "tanh", weight_init="ones"), bp.Dense(1)], None),
    "a mask between": ([bp.Dense(4, "tanh", weight_init=own), bp.Dropout(0.5), bp.Dense(1, weight_init="ones")], None),
    "random biases": ([bp.Dense(4, weight_init=own, bias_init="normal"), bp.Dense(1, weight_init="ones")], None),
    "zeros, biases of one": ([bp.Dense(4, "relu", weight_init="zeros", bias_init="ones"), bp.Dense(1)], None),
    "one unit": ([bp.Dense(1, weight_init="ones"), bp.Dense(1, weight_init="ones")], None),
    "the last": ([bp.Dense(4, weight_init="ones")], None),
    "a layer twice": ([bp.Dense(2, weight_init="ones")] * 2, None),
}


@pytest.mark.parametrize("case", CASES)
def test_equal_units_are_told_where_they_stay_so(case):
    """And they do stay the same there, and only there."""
    layers, warned = CASES[case]
    x = generator("equal").standard_normal((16, 2))
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        model = bp.Sequential(*layers, input_shape=2, seed=0)
    assert [str(warning.message) for warning in heard] == (
        [] if warned is None else [SAME.format(warned).replace("\\", "")]
    )
    trainer = bp.Trainer(model, lambda p, t: bp.mean((p - t) ** 2, axis=1), bp.SGD(0.1))
    y = x[:, : layers[-1].units] if layers[-1].units < 3 else np.hstack([x, x])
    for _ in range(5):
        trainer.step(x, y)
    index = warned or 0
    rows = np.hstack([model.parameters()[f"{index}.weight"], model.parameters()[f"{index}.bias"][:, None]])
    same = len(np.unique(rows, axis=0)) == 1
    assert same == (warned is not None or len(rows) == 1)
