"""What is ignored or of weight 0 is left out, whatever it holds: loss and gradient are those without it."""

import numpy as np
import pytest

import backpass as bp
from registry import DTYPES, ISAS, using_isa

BAD = {"-inf": -np.inf, "inf": np.inf, "nan": np.nan, "largest": None}
LOSSES = {
    "MSE": (bp.MSE(), 1),
    "HalfMSE": (bp.HalfMSE(), 1),
    "MAE": (bp.MAE(), 1),
    "Huber": (bp.Huber(), 1),
    "LogCosh": (bp.LogCosh(), 1),
    "Quantile": (bp.Quantile(0.3), 1),
    "Poisson": (bp.Poisson(full=True), 1),
    "GaussianNLL": (bp.GaussianNLL(), 2),
    "BinaryCrossEntropy": (bp.BinaryCrossEntropy(2.0, 0.1), 1),
    "CrossEntropy of rows": (bp.CrossEntropy(), 1),
    "CrossEntropy of labels": (bp.CrossEntropy(label_smoothing=0.1), 1),
    "Focal": (bp.Focal(), 1),
}


def bad_rows(kind, dtype):
    value = BAD[kind]
    return np.finfo(dtype).max if value is None else value


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("name", LOSSES)
def test_rows_of_weight_0(name, kind, dtype, isa):
    loss, columns = LOSSES[name]
    rng = np.random.default_rng(1)
    prediction = (0.1 + rng.random((7, 3 * columns))).astype(dtype)
    target = np.eye(3)[rng.integers(0, 3, 7)]
    if "labels" in name:
        target = target.argmax(1)
    weight = np.array([1, 0, 2, 0, 0.5, 1, 0.0])
    spoilt = prediction.copy()
    spoilt[weight == 0] = bad_rows(kind, dtype)
    with using_isa(isa):
        value, grad = loss.value_and_grad(spoilt, target, weight)
        expected, expected_grad = loss.value_and_grad(prediction, target, weight)
    assert value == expected
    np.testing.assert_array_equal(grad, expected_grad)
    assert not grad[weight == 0].any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("settings", [{}, {"label_smoothing": 0.2}, {"class_weight": [1.0, 2.0, 0.5]}], ids=str)
def test_ignored_rows(settings, kind, dtype):
    rng = np.random.default_rng(2)
    logits, labels = rng.standard_normal((6, 3)).astype(dtype), np.array([0, -1, 2, -1, 1, 1])
    spoilt = logits.copy()
    spoilt[labels == -1] = bad_rows(kind, dtype)
    loss = bp.CrossEntropy(ignore_index=-1, **settings)
    value, grad = loss.value_and_grad(spoilt, labels)
    expected, expected_grad = loss.value_and_grad(logits, labels)
    assert value == expected
    np.testing.assert_array_equal(grad, expected_grad)
    kept = labels != -1
    alone, _ = bp.CrossEntropy(**settings).value_and_grad(logits[kept], labels[kept])
    assert value == pytest.approx(alone, rel=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_classes_that_are_impossible_and_do_not_occur(dtype):
    """A logit of -inf is a probability of 0: with a target of 0 it adds nothing."""
    logits = np.array([[1, -np.inf, 3], [-np.inf, -np.inf, 5]], dtype)
    for loss in (bp.CrossEntropy(), bp.Focal()):
        value, grad = loss.value_and_grad(logits, np.array([0, 2]))
        by_rows, grad_by_rows = loss.value_and_grad(logits, np.eye(3)[[0, 2]])
        assert value == pytest.approx(by_rows, rel=1e-6)
        np.testing.assert_allclose(grad, grad_by_rows, rtol=0, atol=1e-7)
        assert np.isfinite(value)
        assert not grad[np.isinf(logits)].any()
    value, _ = bp.CrossEntropy().value_and_grad(logits, np.array([0, 2]))
    assert value == pytest.approx(np.log1p(np.exp(2)) / 2, rel=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_certain_answers_that_are_right(dtype):
    value, grad = bp.BinaryCrossEntropy().value_and_grad(np.array([[np.inf], [-np.inf]], dtype), np.array([1.0, 0.0]))
    assert value == 0
    assert not grad.any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_training_on_rows_of_which_some_count_for_nothing(dtype):
    """Weights after steps with a spoilt row of weight 0 are those without it."""

    def trained(x, y, weight):
        model = bp.Sequential(bp.Dense(3), input_shape=2, seed=4, dtype=dtype)
        trainer = bp.Trainer(model, bp.CrossEntropy(), bp.SGD(0.1))
        for _ in range(3):
            trainer.step(x, y, weight)
        return model.flat_parameters.copy()

    x, y = np.array([[1.0, 2.0], [0.5, -1.0], [3.0, 1.0]], dtype), np.array([0, 1, 2])
    spoilt = x.copy()
    spoilt[1] = np.finfo(dtype).max
    weight = np.array([1.0, 0.0, 2.0])
    np.testing.assert_array_equal(trained(spoilt, y, weight), trained(x, y, weight))
