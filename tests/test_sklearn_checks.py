"""scikit-learn's own checks of estimators, all of them."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import backpass as bp
from backpass.sklearn import (
    MLPClassifier,
    MLPRegressor,
    NetworkClassifier,
    NetworkRegressor,
    TabularClassifier,
    TabularRegressor,
)

pytestmark = pytest.mark.filterwarnings("ignore")  # the checks look for those that they mind


class TwoLayers:
    def __call__(self, features, outputs):
        return bp.Sequential(bp.Dense(100, activation="relu"), bp.Dense(outputs))

    def __repr__(self):
        return "TwoLayers()"


@parametrize_with_checks(
    [
        MLPClassifier(),
        MLPRegressor(),
        NetworkClassifier(TwoLayers()),
        NetworkRegressor(TwoLayers(), bp.Adam(0.01), max_iter=300),
    ]
)
def test_the_official_checks(estimator, check):
    check(estimator)


HELD_OUT = {"check_sample_weight_equivalence_on_dense_data": "rows are held out by number, not weight"}


@parametrize_with_checks([TabularClassifier(), TabularRegressor()], expected_failed_checks=lambda _: HELD_OUT)
def test_the_official_checks_of_tabular_estimators(estimator, check):
    check(estimator)


REALMLP = [kind("realmlp", max_iter=64) for kind in (TabularClassifier, TabularRegressor)]


@parametrize_with_checks(REALMLP, expected_failed_checks=lambda _: HELD_OUT)
def test_the_official_checks_of_realmlp(estimator, check):
    check(estimator)


@pytest.mark.nightly
@parametrize_with_checks(
    [
        MLPRegressor(solver="lbfgs"),
        MLPRegressor(loss="gaussian", learning_rate_init=0.01),
        MLPRegressor(loss="quantile", learning_rate_init=0.01),
        NetworkClassifier(),
        NetworkRegressor(),
    ]
)
def test_the_official_checks_of_other_settings(estimator, check):
    check(estimator)
