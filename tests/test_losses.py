"""Every loss against the reference and central differences: values, gradients, weights, extremes, rounding."""

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


# Weights that are all zero, extremes, settings.


@pytest.mark.row("L2")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", **CASES)
def test_rows_that_weigh_nothing_give_no_loss_and_no_gradient(case, dtype):
    rng = generator(case.name, "nothing")
    prediction, target = case.prediction(rng, 4, 3).astype(dtype), case.target(rng, 4, 3)
    value, grad = case.make().value_and_grad(prediction, target, np.zeros(4))
    assert value == 0
    np.testing.assert_array_equal(grad, 0)


@pytest.mark.row("L2")
def test_a_batch_that_weighs_nothing_does_not_end_a_fit(rng):
    x, y = rng.standard_normal((8, 2)), rng.standard_normal((8, 1))
    model = bp.Sequential(bp.Dense(1), input_shape=2, seed=1)
    weight = np.repeat([0.0, 1.0], 4)
    history = model.fit(
        x, y, loss=bp.MSE(), optimizer=bp.SGD(0.1), batch_size=4, shuffle=False, sample_weight=weight, progress=False
    )
    assert 0 < history["loss"][0] < np.inf
    assert bp.Trainer(model, bp.MSE(), bp.SGD(0.1)).step(x[:4], y[:4], np.zeros(4)) == 0
    assert model.evaluate(x[:4], y[:4], sample_weight=np.zeros(4))["loss"] == 0


FAR = [-1e4, -30.0, 0.0, 30.0, 1e4]


@pytest.mark.row("S8")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", ISAS)
def test_losses_of_errors_are_right_far_out(isa, dtype):
    prediction, zero = np.array([FAR], dtype=dtype), np.zeros((1, 5), dtype=dtype)
    with using_isa(isa):
        for loss, expected in (
            (bp.LogCosh(), reference.log_cosh(prediction.astype(float), zero)),
            (bp.Quantile(0.9), reference.quantile(prediction.astype(float), zero, q=0.9)),
        ):
            value, grad = loss.value_and_grad(prediction, zero)
            assert value == pytest.approx(expected[0], rel=TOLERANCE[dtype])
            np.testing.assert_allclose(grad, expected[1], rtol=0, atol=TOLERANCE[dtype])
        value, grad = bp.Poisson().value_and_grad(np.array([[-1e4, -1e4]], dtype=dtype), np.array([[0.0, 2.0]]))
        assert value == pytest.approx(1e4, rel=TOLERANCE[dtype])
        assert grad.tolist() == [[0.0, -1.0]]


@pytest.mark.row("S8")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", ISAS)
def test_losses_of_classes_are_right_at_extreme_logits(isa, dtype):
    logits, labels = np.array([[1e4, -1e4, 0], [1e4, -1e4, 0], [-1e4, -1e4, -1e4]], dtype=dtype), np.array([0, 1, 2])
    with using_isa(isa):
        value, grad = bp.Focal().value_and_grad(logits, labels)
        assert value == pytest.approx((0 + 2e4 + 4 / 9 * np.log(3)) / 3, rel=1e-6)
        slope = 4 / 9 * (1 + np.log(3))
        np.testing.assert_allclose(
            3 * grad,
            [[0, 0, 0], [1, -1, 0], np.array([1 / 3, 1 / 3, -2 / 3]) * slope],
            rtol=0,
            atol=1e-4 if dtype == "float32" else 1e-6,
        )
        loss = bp.CrossEntropy(0.1, ignore_index=0, class_weight=[1, 2, 3])
        value, grad = loss.value_and_grad(logits, labels)
        assert np.isfinite(value)
        assert np.isfinite(grad).all()
        np.testing.assert_array_equal(grad[0], 0)
        value, grad = bp.BinaryCrossEntropy(pos_weight=3.0).value_and_grad(
            np.array([[1e4], [-1e4], [-1e4]], dtype=dtype), np.array([0, 1, 0])
        )
        assert value == pytest.approx((1e4 + 3e4) / 3, rel=1e-6)
        np.testing.assert_allclose(3 * grad[:, 0], [1, -3, 0], rtol=0, atol=1e-6)


@pytest.mark.row("L3")
@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("dtype", DTYPES)
def test_focal_at_both_ends(gamma, dtype):
    logits = np.array([[0.0, 0.0], [200.0, 0.0], [0.0, 200.0]], dtype=dtype)
    value, grad = bp.Focal(gamma).value_and_grad(logits, [0, 0, 0])
    assert value == pytest.approx((0.5**gamma * np.log(2) + 0 + 200) / 3, rel=TOLERANCE[dtype])
    np.testing.assert_allclose(3 * grad[1:], [[0, 0], [-1, 1]], rtol=0, atol=TOLERANCE[dtype])
    if gamma == 0:
        expected = bp.CrossEntropy().value_and_grad(logits, [0, 0, 0])
        assert value == pytest.approx(expected[0], rel=TOLERANCE[dtype])
        np.testing.assert_allclose(grad, expected[1], rtol=0, atol=TOLERANCE[dtype])


@pytest.mark.row("L3")
def test_focal_takes_probability_rows():
    rng = generator("soft focal")
    logits, rows = rng.standard_normal((6, 4)), rng.dirichlet(np.ones(4), 6)
    value, grad = bp.Focal(1.5).value_and_grad(logits, rows)
    expected, expected_grad = reference.focal(logits, rows, gamma=1.5)
    assert value == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose(grad, expected_grad, rtol=0, atol=1e-14)


@pytest.mark.row("S8")
@pytest.mark.parametrize("dtype", DTYPES)
def test_variances_that_are_too_small_count_as_eps_and_can_grow(dtype):
    loss = bp.GaussianNLL(eps=0.5, full=True)
    value, grad = loss.value_and_grad(np.array([[1.0, -1e4], [1.0, 0.0], [1.0, 0.5]], dtype=dtype), [3.0, 3.0, 3.0])
    assert value == pytest.approx(0.5 * (np.log(0.5) + 4 / 0.5 + np.log(2 * np.pi)), rel=1e-6)
    np.testing.assert_allclose(3 * grad, [[-4, (1 - 8) / 1]] * 3, rtol=1e-6)
    value, grad = bp.GaussianNLL().value_and_grad(np.array([[1e4, 0.0]], dtype=dtype), [[0.0]])
    assert np.isfinite(value)
    assert np.isfinite(grad).all()


def gaussian_model(dtype="float64"):
    x = bp.Input(1, dtype=dtype)
    hidden = bp.Dense(16, activation="tanh")(x)
    return bp.Network(x, bp.concat([bp.Dense(1)(hidden), bp.softplus(bp.Dense(1)(hidden))], axis=1), seed=1)


@pytest.mark.row("L7")
def test_means_and_variances_are_learnt(rng):
    x = rng.uniform(-1, 1, (2000, 1))
    y = x + np.where(x > 0, 1.0, 0.1) * rng.standard_normal((2000, 1))
    model = gaussian_model()
    assert bp.gradcheck(model, bp.GaussianNLL(), x[:5], y[:5]) < 1e-6
    assert model.backprop(x[:5], y[:5], bp.GaussianNLL())[0]["delta"].shape == (5, 16)
    history = model.fit(
        x, y[:, 0], loss=bp.GaussianNLL(), optimizer=bp.Adam(0.01), epochs=30, metrics="mae", progress=False
    )
    assert history["mae"][-1] == pytest.approx(np.abs(model.predict(x)[:, :1] - y).mean(), rel=0.05)
    deviations = np.sqrt(model.predict([[-0.5], [0.5]])[:, 1])
    np.testing.assert_allclose(deviations, [0.1, 1.0], rtol=0.3)


@pytest.mark.parametrize("shape", [(4, 3), (4,)])
def test_means_and_variances_are_as_many(shape):
    with pytest.raises(ValueError, match=r"\[GaussianNLL\] prediction must hold means and variances side by side"):
        bp.GaussianNLL().value_and_grad(np.ones(shape), np.ones(4))
    with pytest.raises(ValueError, match=r"\[y\] expected shape \(4, 2\), got \(4, 4\)"):
        bp.GaussianNLL().value_and_grad(np.ones((4, 4)), np.ones((4, 4)))
    assert bp.GaussianNLL().target_shape((None, 6)) == (None, 3)
    assert bp.MSE().target_shape((None, 6)) == (None, 6)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: bp.Quantile(0), ValueError, r"\[Quantile\] q must be between 0 and 1, got 0"),
        (lambda: bp.Quantile(1.0), ValueError, "between 0 and 1"),
        (lambda: bp.Quantile("a"), TypeError, "must be a number"),
        (lambda: bp.Poisson(log_input=1), TypeError, "log_input must be True or False"),
        (lambda: bp.Poisson(eps=0), ValueError, "eps must be positive and finite"),
        (lambda: bp.GaussianNLL(eps=-1), ValueError, r"\[GaussianNLL\] eps must be positive"),
        (lambda: bp.Focal(-1), ValueError, "gamma must be finite and not negative, got -1"),
        (lambda: bp.Focal(alpha=0.0), ValueError, "alpha must be positive and finite"),
        (lambda: bp.BinaryCrossEntropy(pos_weight=-1), ValueError, "pos_weight must be finite and not negative"),
        (lambda: bp.BinaryCrossEntropy(label_smoothing=1.5), ValueError, r"label_smoothing must be in \[0, 1\]"),
        (lambda: bp.CrossEntropy(label_smoothing=float("nan")), ValueError, r"must be in \[0, 1\], got nan"),
        (lambda: bp.CrossEntropy(ignore_index=1.0), TypeError, "ignore_index must be an integer"),
        (lambda: bp.CrossEntropy(ignore_index=2**31), ValueError, "ignore_index must be of 32 bits"),
        (lambda: bp.CrossEntropy(class_weight=3), TypeError, "class_weight must be a list of numbers"),
        (lambda: bp.CrossEntropy(class_weight=[]), ValueError, "class_weight"),
        (lambda: bp.CrossEntropy(class_weight=[1, -1]), ValueError, "must be finite and not negative"),
    ],
)
def test_settings_outside_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_the_core_refuses_them_too():
    from backpass import _core

    for name, given_settings, message in (
        ("Quantile", {"q": 2.0}, r"\[Quantile\] q must be between"),
        ("Poisson", {"eps": -1.0}, r"\[Poisson\] eps must be positive"),
        ("GaussianNLL", {"eps": 0.0}, r"\[GaussianNLL\] eps must be positive"),
        ("Focal", {"gamma": -1.0}, r"\[Focal\] gamma must be"),
        ("Focal", {"alpha": 0.0}, r"\[Focal\] alpha must be"),
        ("BinaryCrossEntropy", {"pos_weight": -1.0}, r"\[BinaryCrossEntropy\] pos_weight must be"),
        ("CrossEntropy", {"label_smoothing": 2.0}, r"\[CrossEntropy\] label_smoothing must be"),
        ("CrossEntropy", {"ignore_index": 2**40}, r"\[CrossEntropy\] ignore_index must be of 32 bits"),
        ("CrossEntropy", {"class_weight": (1.0, -1.0)}, r"\[CrossEntropy\] class_weight must be"),
        ("CrossEntropy", {"class_weight": (1.0,)}, r"class_weight must have a number for each of 2 classes, got 1"),
        ("Huber", {"delta": "a"}, r'"delta" has the wrong type'),
        ("Nothing", {}, r'\[loss\] unknown type "Nothing"'),
    ):
        with pytest.raises(ValueError, match=message):
            _core.make_loss(name, given_settings).value_and_grad(
                np.ones((2, 2)), np.full((2, 1 if "G" in name else 2), 0.5)
            )


# Rows that are ignored, weights of classes.


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
