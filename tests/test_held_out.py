"""Rows held out of a fit: a share of them, or those that are given."""

import numpy as np
import pytest

import backpass as bp
from registry import generator
from test_fit import FIT, network, rows


@pytest.mark.row("A25")
def test_a_share_of_the_rows_is_held_out():
    x, _ = rows(40)
    weight = generator("weights").random(40)
    seen = {}

    def spy(y_true, y_pred):
        seen.setdefault(len(y_true), []).append(y_true)
        return 0.0

    settings = {"validation_split": 0.25, "metrics": [spy], "optimizer": bp.SGD(0.1), "sample_weight": weight, **FIT}
    history = network().fit(x, np.arange(40) % 3, epochs=2, seed=7, **settings)
    assert sorted(seen) == [10, 30]
    assert set(history) >= {"loss", "spy", "val_loss", "val_spy"}
    np.testing.assert_array_equal(seen[10][0], seen[10][1])


@pytest.mark.row("A25")
def test_held_out_rows_keep_the_shares_of_the_classes():
    y = np.array([0] * 40 + [1] * 8)
    counts = []

    def share(y_true, y_pred):
        counts.append((len(y_true), int(y_true.sum())))
        return 0.0

    x = np.ones((48, 4))
    network().fit(x, y, optimizer=bp.SGD(0.1), validation_split=0.25, stratify=True, metrics=[share], **FIT)
    assert counts == [(36, 6), (12, 2)]


def test_dicts_of_inputs_are_divided_too():
    left, right = bp.Input(2, name="left"), bp.Input(3, name="right")
    model = bp.Network([left, right], bp.Dense(1)(bp.concat([left, right], axis=1)), seed=1)
    x = {"left": np.ones((10, 2)), "right": np.ones((10, 3))}
    for given in (x, list(x.values())):
        history = model.fit(given, np.ones(10), loss=bp.MSE(), optimizer=bp.SGD(0.01), validation_split=0.3,
                            progress=False)  # fmt: skip
        assert history["val_loss"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"validation_split": 1.0}, "validation_split must be at least 0 and below 1"),
        ({"validation_split": 0.01}, "leaves 10 and 0 rows"),
        ({"validation_split": 0.5, "validation_data": rows(5)}, "must not be given together"),
        ({"validation_split": 0.5, "stratify": True, "y": np.ones((10, 3))}, "stratify needs"),
        ({"stratify": True}, "stratify needs validation_split"),
        ({"accumulate": 0}, "accumulate must be positive"),
    ],
)
def test_arguments_are_checked(options, words):
    x, y = rows(10)
    model = network()
    with pytest.raises(ValueError, match=rf"^\[fit\] .*{words}"):
        model.fit(x, options.pop("y", y), optimizer=bp.SGD(0.1), **options, **FIT)


def test_rows_that_do_not_agree_are_refused_with_and_without_a_cut():
    left, right = bp.Input(2, name="left"), bp.Input(2, name="right")
    both = bp.Network([left, right], bp.Dense(1)(bp.concat([left, right], axis=1)), seed=1)
    two = bp.Network(left, [bp.Dense(1)(left), bp.Dense(1)(left)], seed=1)
    one = bp.Network(left, bp.Dense(1)(left), seed=1)
    x, y, more = np.ones((10, 2)), np.ones(10), np.ones((12, 2))
    cases = [
        (one, x, np.ones(8), None, r"\[y\] expected 10 rows as x has, got shape \(8,\)"),
        (one, x, np.ones(12), None, r"\[y\] expected 10 rows as x has, got shape \(12,\)"),
        (one, x, y, np.ones(12), r"\[sample_weight\] expected shape \(10,\), got \(12,\)"),
        (both, [x, more], y, None, r"\[x\] inputs have 10 and 12 rows"),
        (both, {"left": x, "right": more}, y, None, r"\[x\] inputs have 10 and 12 rows"),
        (two, x, [y, np.ones(12)], None, r"\[y\] expected 10 rows as x has, got shape \(12,\)"),
        (both, [], y, None, r"\[fit\] x must hold 2 arrays, got 0"),
        (both, {}, y, None, r"\[fit\] x "),
        (both, x, y, None, r"\[fit\] x must be a list of 2 arrays, got ndarray"),
    ]
    for model, given, targets, weight, words in cases:
        for share in (0.0, 0.3):
            with pytest.raises((TypeError, ValueError), match=f"^{words}"):
                model.fit(given, targets, sample_weight=weight, validation_split=share, loss=bp.MSE(),
                          optimizer=bp.SGD(0.1), progress=False)  # fmt: skip


def test_a_progress_bar_of_no_inputs_hides_nothing(capsys):
    left, right = bp.Input(2, name="left"), bp.Input(2, name="right")
    model = bp.Network([left, right], bp.Dense(1)(bp.concat([left, right], axis=1)), seed=1)
    with pytest.raises(ValueError, match=r'^\[fit\] x has no "left"'):
        model.fit({}, np.ones(3), loss=bp.MSE(), optimizer=bp.SGD(0.1), progress=True)
