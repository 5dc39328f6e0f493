"""Losses at their ends: weights that are all zero, errors and logits far out, settings out of range."""

import numpy as np
import pytest

import backpass as bp
import reference
from registry import DTYPES, ISAS, TOLERANCE, generator, using_isa
from test_losses import CASES


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
