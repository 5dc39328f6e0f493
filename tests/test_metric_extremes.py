"""Metrics of predictions that are not numbers, or that differ by less than probabilities can."""

import numpy as np
import pytest

import backpass as bp

NAN = np.nan


def evaluated(outputs, y, loss, *names):
    outputs = np.asarray(outputs, float)
    model = bp.Sequential(bp.Identity(), input_shape=outputs.shape[1:], dtype="float64")
    result = model.evaluate(outputs, np.asarray(y), loss=loss, metrics=names, check_finite=False)
    return [result[name] for name in names]


@pytest.mark.parametrize("bad", [[NAN, NAN, NAN], [NAN, 0.0, 1.0], [2.0, NAN, 1.0], [2.0, 1.0, NAN]], ids=str)
def test_nan_among_classes_is_never_right(bad):
    for label in range(3):
        names = ("accuracy", "balanced_accuracy", "recall", "f1", "top_1", "top_2", "top_3")
        assert evaluated([bad] * 4, [label] * 4, bp.CrossEntropy(), *names) == [0] * len(names)
    good = [5.0, 0.0, -5.0]
    accuracy, top = evaluated([good, bad, good, bad], [0, 0, 1, 2], bp.CrossEntropy(), "accuracy", "top_2")
    assert (accuracy, top) == (0.25, 0.5)


@pytest.mark.parametrize("truth", [0, 1])
def test_nan_for_yes_or_no_is_never_right(truth):
    names = ("accuracy", "balanced_accuracy", "precision", "recall", "f1")
    assert evaluated([[NAN]] * 3, [truth] * 3, bp.BinaryCrossEntropy(), *names) == [0] * 5
    assert evaluated([[NAN]] * 3, [[truth]] * 3, bp.MSE(), "accuracy") == [0]
    accuracy, precision = evaluated([[NAN], [3.0]], [0, 1], bp.BinaryCrossEntropy(), "accuracy", "precision")
    assert (accuracy, precision) == (0.5, 0.5)


@pytest.mark.parametrize("shift", [0.0, 100.0, -1e6])
def test_auc_of_two_logits_ranks_their_difference(shift):
    """Differences beyond 40 are all a probability of 1."""
    differences, y = np.array([50.0, 60, 70, 80, 90, -3]), np.array([0, 1, 0, 1, 1, 0])
    logits = np.stack([np.full(6, shift), shift + differences], axis=1)
    by_class, by_sign = evaluated(logits, y, bp.CrossEntropy(), "auc"), evaluated(
        differences[:, None], y, bp.BinaryCrossEntropy(), "auc")  # fmt: skip
    assert by_class == by_sign == [8 / 9]


def test_auc_of_several_classes_ranks_beyond_rounding():
    """The probability of class 0 is 1 in all rows, and yet larger where the others are less likely."""
    gaps = np.array([40.0, 80, 60, 100])
    logits = np.stack([gaps, np.zeros(4), np.zeros(4)], axis=1)
    y = np.array([1, 0, 2, 0])
    model = bp.Sequential(bp.Identity(), input_shape=3, dtype="float64")
    found = model.evaluate(logits, y, loss=bp.CrossEntropy(), metrics=["auc"])["auc"]
    # Class 0: both of its rows lie above the others. Class 1: its row has the largest probability of 1. Class 2: the
    # row of gap 60 has the second largest of 2.
    assert found == pytest.approx((1 + 1 + 2 / 3) / 3)


def test_log_loss_of_large_logits():
    assert evaluated([[1e16, 1e16]] * 2, [0, 1], bp.CrossEntropy(), "log_loss") == [pytest.approx(np.log(2), rel=1e-15)]
    assert evaluated([[40.0, 0.0]], [0], bp.CrossEntropy(), "log_loss") == [pytest.approx(np.exp(-40.0), rel=1e-12)]
