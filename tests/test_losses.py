"""Every loss against the reference and central differences: values, gradients, what they are equal to."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backpass as bp
import reference
from registry import ALL_LOSSES, DTYPES, ISAS, TOLERANCE, by_name, generator, using_isa

CASES = by_name(ALL_LOSSES)


@pytest.mark.row("L2")
@pytest.mark.row("P1")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("case", **CASES)
def test_value_and_gradient_equal_the_reference(case, weighted, isa, dtype):
    with using_isa(isa):
        for rows, outputs in ((1, 1), (1, 5), (7, 3), (64, 10)):
            rng = generator(case.name, rows)
            prediction = case.prediction(rng, rows, outputs).astype(dtype)
            target = case.target(rng, rows, outputs)
            weight = rng.uniform(0.1, 2, rows) if weighted else None
            kept = prediction.copy()
            value, grad = case.make().value_and_grad(prediction, target, weight)
            expected_value, expected_grad = case.value_and_grad(prediction.astype(np.float64), target, weight)
            assert isinstance(value, float)
            assert grad.dtype == prediction.dtype
            np.testing.assert_allclose(value, expected_value, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
            np.testing.assert_allclose(grad, expected_grad, rtol=10 * TOLERANCE[dtype], atol=TOLERANCE[dtype])
            np.testing.assert_array_equal(prediction, kept)


@pytest.mark.row("L1")
@pytest.mark.row("L2")
@pytest.mark.row("L3")
@pytest.mark.parametrize("case", **CASES)
def test_gradient_equals_central_differences(case):
    rng = generator(case.name)
    loss, prediction, target, weight = (
        case.make(),
        case.prediction(rng, 5, 4),
        case.target(rng, 5, 4),
        rng.uniform(1, 2, 5),
    )
    _, grad = loss.value_and_grad(prediction, target, weight)
    numerical = reference.numerical_gradient(lambda p: loss.value_and_grad(p, target, weight)[0], prediction)
    assert reference.relative_error(grad, numerical) < 1e-7


@given(rows=st.integers(1, 300), outputs=st.integers(1, 40), data=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
@pytest.mark.parametrize("case", **CASES)
def test_loss_of_any_shape_equals_the_reference(case, rows, outputs, data):
    rng = np.random.default_rng(data)
    prediction, target = case.prediction(rng, rows, outputs), case.target(rng, rows, outputs)
    value, grad = case.make().value_and_grad(prediction, target)
    expected_value, expected_grad = case.value_and_grad(prediction, target)
    np.testing.assert_allclose(value, expected_value, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(grad, expected_grad, rtol=1e-12, atol=1e-13)


@pytest.mark.row("L1")
def test_half_the_squared_error_is_exact():
    """L = (p - y)^2 / 2, dL/dp = p - y, with numbers that are exact in binary."""
    value, grad = bp.HalfMSE().value_and_grad(np.array([[1.5, -0.25]]), np.array([[1.0, 0.5]]))
    assert value == 0.5 * (0.5**2 + 0.75**2)
    assert grad.tolist() == [[0.5, -0.75]]


@pytest.mark.row("L2")
@pytest.mark.parametrize("case", **CASES)
def test_integer_weights_count_rows(case):
    rng = generator("count")
    prediction, target = case.prediction(rng, 3, 4), case.target(rng, 3, 4)
    repeats = np.array([1, 3, 2])
    weighted, grad = case.make().value_and_grad(prediction, target, repeats)
    repeated, _ = case.make().value_and_grad(prediction.repeat(repeats, axis=0), target.repeat(repeats, axis=0))
    assert weighted == pytest.approx(repeated, rel=1e-13)
    _, alone = case.make().value_and_grad(prediction[1:2], target[1:2])
    np.testing.assert_allclose(grad[1:2], alone * 3 / 6, rtol=1e-13)


@pytest.mark.row("L2")
def test_a_vector_of_targets_matches_a_column():
    prediction, target = generator("column").standard_normal((2, 6, 1))
    np.testing.assert_equal(
        bp.MSE().value_and_grad(prediction, target[:, 0]), bp.MSE().value_and_grad(prediction, target)
    )


@pytest.mark.row("L3")
def test_gradient_of_cross_entropy_is_softmax_less_target():
    rng = generator("p - y")
    logits, labels = rng.standard_normal((8, 5)), rng.integers(0, 5, 8)
    _, grad = bp.CrossEntropy().value_and_grad(logits, labels)
    np.testing.assert_allclose(8 * grad, reference.softmax(logits) - reference.one_hot(labels, 5), rtol=0, atol=1e-14)


@pytest.mark.row("L3")
@pytest.mark.parametrize("dtype", DTYPES)
def test_probability_rows_and_labels_agree(dtype):
    rng = generator("rows")
    logits, labels = rng.standard_normal((8, 5)).astype(dtype), rng.integers(0, 5, 8)
    by_label = bp.CrossEntropy().value_and_grad(logits, labels)
    by_row = bp.CrossEntropy().value_and_grad(logits, reference.one_hot(labels, 5))
    assert by_row[0] == pytest.approx(by_label[0], rel=10 * TOLERANCE[dtype])
    np.testing.assert_allclose(by_row[1], by_label[1], rtol=0, atol=TOLERANCE[dtype])
    soft = rng.dirichlet(np.ones(5), 8)
    value, grad = bp.CrossEntropy().value_and_grad(logits, soft)
    expected = reference.cross_entropy(logits.astype(np.float64), soft)
    assert value == pytest.approx(expected[0], rel=10 * TOLERANCE[dtype])
    np.testing.assert_allclose(grad, expected[1], rtol=0, atol=TOLERANCE[dtype])


@pytest.mark.row("L3")
@pytest.mark.row("S8")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", ISAS)
def test_cross_entropy_is_stable_at_extreme_logits(isa, dtype):
    logits = np.array([[1e4, -1e4, 0], [1e4, -1e4, 0], [-1e4, -1e4, -1e4]], dtype=dtype)
    with using_isa(isa):
        value, grad = bp.CrossEntropy().value_and_grad(logits, np.array([0, 1, 2]))
    assert value == pytest.approx((0 + 2e4 + np.log(3)) / 3, rel=1e-6)
    np.testing.assert_allclose(3 * grad, [[0, 0, 0], [1, -1, 0], [1 / 3, 1 / 3, -2 / 3]], rtol=0, atol=1e-6)


@pytest.mark.row("L3")
@pytest.mark.row("S8")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", ISAS)
def test_binary_cross_entropy_is_stable_at_extreme_logits(isa, dtype):
    logits = np.array([[1e4], [1e4], [-1e4], [-1e4], [0]], dtype=dtype)
    with using_isa(isa):
        value, grad = bp.BinaryCrossEntropy().value_and_grad(logits, np.array([1, 0, 1, 0, 1]))
    assert value == pytest.approx((0 + 1e4 + 1e4 + 0 + np.log(2)) / 5, rel=1e-6)
    np.testing.assert_allclose(5 * grad[:, 0], [0, 1, -1, 0, -0.5], rtol=0, atol=1e-6)


@pytest.mark.row("L3")
def test_gradient_of_binary_cross_entropy_is_sigmoid_less_target():
    rng = generator("binary")
    logits, target = rng.standard_normal((8, 3)), rng.integers(0, 2, (8, 3))
    _, grad = bp.BinaryCrossEntropy().value_and_grad(logits, target)
    np.testing.assert_allclose(8 * 3 * grad, reference.sigmoid(logits) - target, rtol=0, atol=1e-15)


@pytest.mark.row("L3")
@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.bool_, np.float32])
def test_binary_targets_may_be_a_vector_of_any_type(dtype):
    rng = generator("vector")
    logits, target = rng.standard_normal((6, 1)), rng.integers(0, 2, 6)
    np.testing.assert_equal(
        bp.BinaryCrossEntropy().value_and_grad(logits, target.astype(dtype)),
        bp.BinaryCrossEntropy().value_and_grad(logits, target[:, None].astype(np.float64)),
    )


def test_mae_has_no_gradient_where_prediction_and_target_are_equal():
    _, grad = bp.MAE().value_and_grad(np.array([[1.0, 2.0, 3.0]]), np.array([[2.0, 2.0, 2.0]]))
    np.testing.assert_allclose(grad, [[-1 / 3, 0, 1 / 3]])


@pytest.mark.parametrize("delta", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("dtype", DTYPES)
def test_huber_on_both_sides_of_delta(delta, dtype):
    prediction = np.array([[-1e4, -3, -delta, -0.25, 0, 0.25, delta, 3, 1e4]], dtype=dtype)
    value, grad = bp.Huber(delta).value_and_grad(prediction, np.zeros_like(prediction))
    expected_value, expected_grad = reference.huber(prediction.astype(np.float64), np.zeros((1, 9)), delta=delta)
    assert value == pytest.approx(expected_value, rel=TOLERANCE[dtype])
    np.testing.assert_allclose(grad, expected_grad, rtol=TOLERANCE[dtype])


def test_losses_are_values():
    assert bp.Huber() == bp.Huber(delta=1.0) != bp.Huber(2.0)
    assert len({bp.MSE(), bp.MSE(), bp.MAE(), bp.Huber(), bp.Huber(2), bp.Huber(2.0)}) == 4
    assert (repr(bp.Huber(2)), repr(bp.Huber()), repr(bp.MAE())) == ("Huber(delta=2.0)", "Huber()", "MAE()")
    for loss in (bp.Huber(2.0), bp.BinaryCrossEntropy()):
        assert pickle.loads(pickle.dumps(loss)) == copy.deepcopy(loss) == loss
    with pytest.raises(AttributeError, match=r"\[Huber\] delta cannot be set: make another loss"):
        bp.Huber().delta = 2.0


def test_a_fit_with_another_delta_uses_it():
    model = bp.Sequential(bp.Dense(1), input_shape=1, seed=1)
    x, y, sgd = np.ones((4, 1)), np.full((4, 1), 100.0), bp.SGD(0.0)
    for delta in (1.0, 2.0):
        (value,) = model.fit(x, y, loss=bp.Huber(delta), optimizer=sgd, progress=False)["loss"]
        assert value == pytest.approx(reference.huber(model.predict(x), y, delta=delta)[0], rel=1e-5)


@pytest.mark.row("L4")
@pytest.mark.row("D5")
@pytest.mark.parametrize("case", **by_name([case for case in ALL_LOSSES if case.columns == 1]))
def test_evaluate_returns_the_cost_and_training_lowers_it(case):
    rng = generator("evaluate")
    x, target = rng.standard_normal((50, 4)), case.target(rng, 50, 3)
    model = bp.Sequential(bp.Dense(8), bp.Tanh(), bp.Dense(3), input_shape=(4,), seed=1, dtype="float64")
    before = model.evaluate(x, target, loss=case.make())["loss"]
    assert before == pytest.approx(case.value_and_grad(model.predict(x), target)[0], rel=1e-12)
    history = model.fit(x, target, loss=case.make(), optimizer=bp.SGD(0.1), epochs=5, seed=1, progress=False)
    after = model.evaluate(x, target)["loss"]  # None means the loss of the last fit
    assert after == pytest.approx(case.value_and_grad(model.predict(x), target)[0], rel=1e-12)
    assert after < before
    assert history["loss"][-1] < history["loss"][0]
