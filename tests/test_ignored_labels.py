"""Rows that are ignored, weights of classes, and targets of another shape."""

import numpy as np
import pytest

import backpass as bp
import reference
from registry import DTYPES, ISAS, TOLERANCE, generator, using_isa


def some_labels(rng, rows=40, classes=5):
    logits, labels = rng.standard_normal((rows, classes)), rng.integers(0, classes, rows)
    return logits, np.where(rng.uniform(size=rows) < 0.3, -100, labels)


WEIGHTS = (0.5, 2.0, 0.0, 1.0, 3.0)


@pytest.mark.row("L3")
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("class_weight", [None, WEIGHTS])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_ignored_rows_are_as_if_dropped(smoothing, class_weight, weighted, dtype, isa):
    rng = generator("ignored")
    logits, labels = some_labels(rng)
    logits, weight = logits.astype(dtype), rng.uniform(0.1, 2, 40) if weighted else None
    kept = labels != -100
    with using_isa(isa):
        value, grad = bp.CrossEntropy(smoothing, -100, class_weight).value_and_grad(logits, labels, weight)
        expected, expected_grad = bp.CrossEntropy(smoothing, None, class_weight).value_and_grad(
            logits[kept], labels[kept], weight[kept] if weighted else None
        )
    assert value == pytest.approx(expected, rel=TOLERANCE[dtype])
    np.testing.assert_allclose(grad[kept], expected_grad, rtol=0, atol=TOLERANCE[dtype])
    np.testing.assert_array_equal(grad[~kept], 0)


@pytest.mark.row("L3")
@pytest.mark.parametrize("ignored", [-100, 2, 7])
@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.int16])
def test_any_label_may_be_ignored(ignored, dtype):
    logits, labels = some_labels(generator("any"))
    kept = labels >= 0 if ignored != 2 else labels != 2
    labels = np.where(labels < 0, ignored, labels).astype(dtype)
    kept = labels != ignored
    value, _ = bp.CrossEntropy(ignore_index=ignored).value_and_grad(logits, labels)
    assert value == pytest.approx(reference.cross_entropy(logits[kept], labels[kept])[0], rel=1e-12)
    with pytest.raises(ValueError, match=r"labels must be in \[0, 5\), got -1 in row 3"):
        bp.CrossEntropy(ignore_index=ignored).value_and_grad(logits, np.where(np.arange(40) == 3, -1, labels))


@pytest.mark.row("L3")
def test_where_all_rows_are_ignored_nothing_is_lost(rng):
    logits, labels = rng.standard_normal((6, 3)), np.full(6, -100)
    for others in ({}, {"label_smoothing": 0.1}, {"class_weight": [1, 2, 3]}):
        loss = bp.CrossEntropy(ignore_index=-100, **others)
        value, grad = loss.value_and_grad(logits, labels)
        assert value == 0
        np.testing.assert_array_equal(grad, 0)
        model = bp.Sequential(bp.Dense(3), input_shape=3, seed=1)
        before = model.flat_parameters.copy()
        with pytest.warns(UserWarning, match="all gradients are zero"):
            history = model.fit(logits, labels, loss=loss, optimizer=bp.SGD(1.0), progress=False)
        assert history["loss"] == [0.0]
        np.testing.assert_array_equal(model.flat_parameters, before)


@pytest.mark.row("L4")
@pytest.mark.parametrize("weighted", [False, True])
def test_the_cost_over_many_tiles_is_that_over_all_rows(weighted, rng):
    """Rows of tiles with more ignored rows and lighter classes count less."""
    labels = np.sort(rng.integers(0, 5, 3000))
    labels[rng.uniform(size=3000) < np.linspace(0, 1, 3000)] = -100
    x, weight = rng.standard_normal((3000, 4)), rng.uniform(0, 2, 3000) if weighted else None
    model = bp.Sequential(bp.Dense(5), input_shape=4, seed=1, dtype="float64")
    loss = bp.CrossEntropy(0.1, -100, WEIGHTS)
    expected, _ = loss.value_and_grad(model.predict(x), labels, weight)
    assert model.evaluate(x, labels, loss=loss, sample_weight=weight)["loss"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.row("L3")
def test_gradients_with_all_settings_equal_central_differences(rng):
    logits, labels = some_labels(rng, rows=6)
    weight = rng.uniform(1, 2, 6)
    for target in (labels, rng.dirichlet(np.ones(5), 6)):
        loss = bp.CrossEntropy(0.2, -100, WEIGHTS)
        _, grad = loss.value_and_grad(logits, target, weight)

        def value(z, loss=loss, target=target):
            return loss.value_and_grad(z, target, weight)[0]

        assert reference.relative_error(grad, reference.numerical_gradient(value, logits)) < 1e-7
    model = bp.Sequential(bp.Dense(5), input_shape=5, seed=1)
    assert bp.gradcheck(model, loss, logits, labels) < 1e-6


def test_own_losses_may_say_what_shape_targets_have(rng):
    class Sums(bp.Loss):
        def target_shape(self, prediction):
            return (prediction[0], 1)

        def forward(self, prediction, target):
            return bp.square(bp.sum(prediction, 1, True) - target)

    model = bp.Sequential(bp.Dense(3), input_shape=2, seed=1)
    x, y = rng.standard_normal((5, 2)), rng.standard_normal(5)
    assert bp.gradcheck(model, Sums(), x, y) < 1e-6
    expected = ((model.predict(x).sum(1) - y) ** 2).mean()
    assert model.evaluate(x, y, loss=Sums())["loss"] == pytest.approx(expected, rel=1e-5)
