"""The main job: real digits, learned well and quickly, with nothing chosen on what is held out."""

import statistics

import numpy as np
import pytest

import backpass as bp
from backpass.tools._cli import parser
from backpass.tools._digits import FOLDS, confusion, cross_validate, folds, run


def test_the_digits_are_those_of_the_repository():
    x, y = bp.datasets.load_digits()
    assert x.dtype == np.float32
    assert (x.min(), x.max()) == (0, 1)
    assert np.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    datasets = pytest.importorskip("sklearn.datasets")
    theirs = datasets.load_digits()
    np.testing.assert_array_equal(x * 16, theirs.data)
    np.testing.assert_array_equal(y, theirs.target)


@pytest.mark.parametrize("seed", range(3))
def test_a_split_is_stratified_and_loses_nothing(seed):
    _, y = bp.datasets.load_digits()
    train, test = bp.datasets.stratified_split(y, seed=seed)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(len(y)))
    np.testing.assert_array_equal(np.bincount(y[test]), np.rint(np.bincount(y) / 5))
    again = bp.datasets.stratified_split(y, seed=seed)
    np.testing.assert_array_equal(again[1], test)
    assert not np.array_equal(bp.datasets.stratified_split(y, seed=seed + 1)[1], test)


@pytest.mark.row("G1")
@pytest.mark.row("D5")
@pytest.mark.slow
def test_digits_are_learned_over_ten_seeds_of_the_split():
    runs = [run(parser().parse_args(["train", "--seed", str(seed)]), progress=False) for seed in range(10)]
    assert statistics.median(each.accuracy for each in runs) >= 0.97
    assert statistics.median(each.seconds for each in runs) < 2
    for each in runs:
        assert each.history["loss"][-1] < each.history["loss"][0]
        assert each.accuracy == pytest.approx(each.history["val_accuracy"][-1])


@pytest.mark.parametrize("seed", range(3))
def test_folds_hold_every_digit_once_and_each_class_evenly(seed):
    _, y = bp.datasets.load_digits()
    found = folds(y, seed)
    np.testing.assert_array_equal(np.sort(np.concatenate(found)), np.arange(len(y)))
    np.testing.assert_array_equal(found[0], bp.datasets.stratified_split(y, seed=seed)[1])
    for rows in found:
        assert np.abs(np.bincount(y[rows]) - np.bincount(y) / FOLDS).max() <= 1


@pytest.mark.slow
def test_the_demonstration_shows_with_its_default_seed_what_other_seeds_show():
    def accuracy(*options):
        runs = cross_validate(parser().parse_args(["train", *options]), progress=False)
        return sum((each.predicted == each.y_test).sum() for each in runs) / sum(len(each.y_test) for each in runs)

    assert accuracy() == pytest.approx(statistics.median(accuracy("--seed", str(seed)) for seed in range(5)), abs=0.003)


def test_the_confusion_matrix_counts_rows_by_truth():
    counts = confusion(np.array([3, 3, 5]), np.array([3, 8, 5]))
    assert counts.sum() == 3
    assert (counts[3, 3], counts[3, 8], counts[5, 5]) == (1, 1, 1)
