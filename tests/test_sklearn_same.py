"""Equal settings, equal results: our perceptrons beside scikit-learn's, to the last digits of float64."""

import numpy as np
import pytest
import sklearn
from sklearn import neural_network as theirs
from sklearn.datasets import load_diabetes, load_digits, make_multilabel_classification

from backpass import sklearn as ours

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:scipy.optimize"),  # of older versions of scikit-learn
    pytest.mark.row("C3"),
]

DIGITS = load_digits()
X, Y = DIGITS.data[:500] / 16, DIGITS.target[:500]
DIABETES, PROGRESS = load_diabetes(return_X_y=True)
RECENT = tuple(int(part) for part in sklearn.__version__.split(".")[:2]) >= (1, 7)  # weights and Poisson since then


def both(kind, x, y, sample_weight=None, **settings):
    fits = [getattr(module, kind)(random_state=0, **settings) for module in (theirs, ours)]
    weights = {} if sample_weight is None else {"sample_weight": sample_weight}
    return [fit.fit(x, y, **weights) for fit in fits]


def assert_equal(expected, got, rtol=1e-9, losses=True):
    for name in ("coefs_", "intercepts_"):
        for a, b in zip(getattr(expected, name), getattr(got, name), strict=True):
            np.testing.assert_allclose(b, a, rtol=rtol, atol=rtol, err_msg=name)
            assert a.dtype == b.dtype
    names = ["n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"]
    assert {name: getattr(got, name) for name in names} == {name: getattr(expected, name) for name in names}
    if losses:
        np.testing.assert_allclose(got.loss_, expected.loss_, rtol=1e-9)
    if hasattr(expected, "loss_curve_") and losses:
        np.testing.assert_allclose(got.loss_curve_, expected.loss_curve_, rtol=1e-9)
        assert (got.best_loss_ is None) == (expected.best_loss_ is None)
        np.testing.assert_equal(got.validation_scores_ is None, expected.validation_scores_ is None)
        if expected.validation_scores_ is not None:
            np.testing.assert_allclose(got.validation_scores_, expected.validation_scores_, rtol=1e-9)
            assert got.best_validation_score_ == pytest.approx(expected.best_validation_score_, rel=1e-9)


CLASSIFIERS = {
    "defaults": {"max_iter": 12},
    "two layers of tanh": {"hidden_layer_sizes": (30, 20), "activation": "tanh", "max_iter": 12},
    "logistic, no shuffling": {"activation": "logistic", "shuffle": False, "max_iter": 12},
    "no hidden layer": {"hidden_layer_sizes": (), "max_iter": 12},
    "batches of 7 and alpha": {"batch_size": 7, "alpha": 1.0, "max_iter": 3},
    "other betas": {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3, "max_iter": 12},
    "sgd": {"solver": "sgd", "learning_rate_init": 0.1, "max_iter": 12},
    "sgd without momentum": {"solver": "sgd", "learning_rate_init": 0.1, "momentum": 0.0, "max_iter": 12},
    "plain momentum": {"solver": "sgd", "learning_rate_init": 0.1, "nesterovs_momentum": False, "max_iter": 12},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 1.0, "max_iter": 12},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.2, "tol": 0.05, "max_iter": 60},
    "stops early": {"learning_rate_init": 0.01, "tol": 1e-2, "n_iter_no_change": 3},
}


@pytest.mark.parametrize("settings", CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_classes(settings):
    expected, got = both("MLPClassifier", X, Y, **settings)
    assert_equal(expected, got)
    np.testing.assert_allclose(got.predict_proba(X), expected.predict_proba(X), atol=1e-12)
    np.testing.assert_allclose(got.predict_log_proba(X), expected.predict_log_proba(X), rtol=1e-8)
    np.testing.assert_array_equal(got.predict(X), expected.predict(X))


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_two_classes_with_early_stopping(solver):
    expected, got = both("MLPClassifier", X, np.where(Y < 5, 7, 3), early_stopping=True, solver=solver, max_iter=30)
    assert_equal(expected, got)
    np.testing.assert_array_equal(got.predict(X), expected.predict(X))


def test_several_labels():
    x, y = make_multilabel_classification(n_samples=150, random_state=0)
    expected, got = both("MLPClassifier", x, y, max_iter=20)
    assert_equal(expected, got)
    np.testing.assert_array_equal(got.predict(x), expected.predict(x))
    expected, got = both("MLPClassifier", x, y, max_iter=10, early_stopping=True)
    assert_equal(expected, got)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_numbers(early_stopping):
    expected, got = both("MLPRegressor", DIABETES, PROGRESS / 100, early_stopping=early_stopping, max_iter=40)
    assert_equal(expected, got)
    np.testing.assert_allclose(got.predict(DIABETES), expected.predict(DIABETES), rtol=1e-9)


def test_several_columns():
    y = np.c_[PROGRESS / 100, DIABETES[:, 2]]
    expected, got = both("MLPRegressor", DIABETES, y, max_iter=40)
    assert_equal(expected, got)
    np.testing.assert_allclose(got.predict(DIABETES), expected.predict(DIABETES), rtol=1e-8)


@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
def test_lbfgs(kind):
    expected, got = both(kind, X, Y, solver="lbfgs", max_iter=15, alpha=0.1)
    assert_equal(expected, got, rtol=1e-6, losses=kind == "MLPClassifier")
    np.testing.assert_allclose(got.loss_, expected.loss_, rtol=1e-6)


@pytest.mark.skipif(not RECENT, reason="scikit-learn before 1.7 has neither")
def test_counts_and_weights():
    y = np.round(PROGRESS / 50)
    assert_equal(*both("MLPRegressor", DIABETES, y, loss="poisson", max_iter=30))
    weight = np.random.default_rng(0).uniform(0.5, 2, 442)
    # Their losses are means over batches, ours over rows by their weights.
    assert_equal(*both("MLPRegressor", DIABETES, y, weight, max_iter=30), losses=False)
    assert_equal(*both("MLPRegressor", DIABETES, y, weight, max_iter=30, batch_size=442))


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_partial_fits_and_warm_starts(solver):
    settings = {"random_state": 0, "solver": solver, "max_iter": 3, "warm_start": True}
    expected, got = theirs.MLPClassifier(**settings), ours.MLPClassifier(**settings)
    for fit in (expected, got):
        for begin in range(0, 500, 100):
            fit.partial_fit(X[begin : begin + 100], Y[begin : begin + 100], classes=np.arange(10))
        fit.fit(X, Y)
        fit.fit(X, Y)
    assert_equal(expected, got)


def test_float32_stays_float32():
    expected, got = both("MLPClassifier", X.astype(np.float32), Y, max_iter=5)
    assert got.coefs_[0].dtype == np.float32
    assert_equal(expected, got, rtol=1e-3, losses=False)
    assert got.loss_ == pytest.approx(expected.loss_, rel=1e-4)
