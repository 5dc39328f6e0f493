"""Our estimators in the hands of scikit-learn's tools."""

import os

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_iris
from sklearn.ensemble import BaggingClassifier, StackingRegressor, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, cross_validate
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import backpass as bp
from backpass.sklearn import MLPClassifier, MLPRegressor, NetworkClassifier

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.row("S10"),
]
X, Y = load_iris(return_X_y=True)
QUICK = {"hidden_layer_sizes": (16,), "learning_rate_init": 0.02, "max_iter": 60, "random_state": 0}


def network(features, outputs):
    return bp.Sequential(bp.Dense(16, activation="tanh"), bp.Dense(outputs))


def test_a_pipeline_over_columns_of_a_table():
    table = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    table["kind"] = np.where(X[:, 0] > 5.8, "long", "short")
    columns = ColumnTransformer(
        [("numbers", StandardScaler(), ["a", "b", "c", "d"]), ("kinds", OneHotEncoder(), ["kind"])]
    )
    columns.set_output(transform="default")
    model = make_pipeline(columns, MLPClassifier(**QUICK)).fit(table, pd.Series(Y).map({0: "x", 1: "y", 2: "z"}))
    assert list(model.classes_) == ["x", "y", "z"]
    assert (model.predict(table) == np.array(["x", "y", "z"])[Y]).mean() > 0.9
    named = make_pipeline(StandardScaler().set_output(transform="pandas"), MLPClassifier(**QUICK)).fit(
        table[["a", "b"]], Y
    )
    assert list(named[-1].feature_names_in_) == ["a", "b"]


def threads_in_a_fit(X, y):
    model = MLPClassifier((64,), max_iter=2, random_state=0).fit(X, y)
    return model.predict(X).sum(), bp.get_threads()


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_a_grid_search_in_parallel(backend):
    grid = {"hidden_layer_sizes": [(4,), (16,)], "solver": ["adam", "lbfgs"], "early_stopping": [np.False_]}
    with joblib.parallel_backend(backend, n_jobs=2):
        search = GridSearchCV(MLPClassifier(max_iter=20, random_state=0), grid, cv=2).fit(X, Y)
    alone = GridSearchCV(MLPClassifier(max_iter=20, random_state=0), grid, cv=2).fit(X, Y)
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])
    assert search.best_score_ > 0.6


def test_workers_of_loky_share_the_cores():
    found = joblib.Parallel(n_jobs=2, backend="loky")(joblib.delayed(threads_in_a_fit)(X, Y) for _ in range(2))
    assert all(2 * threads <= max(2, os.cpu_count() or 1) for _, threads in found)


def test_halving_and_cross_validation():
    search = HalvingGridSearchCV(
        MLPClassifier(random_state=0),
        {"alpha": [1e-4, 1e-1]},
        resource="max_iter",
        min_resources=5,
        max_resources=20,
        cv=2,
    )
    assert search.fit(X, Y).best_estimator_.max_iter >= 5
    scores = cross_validate(NetworkClassifier(network, bp.Adam(0.02), max_iter=60, random_state=0), X, Y, cv=3,
                            scoring=["accuracy", "neg_log_loss", "roc_auc_ovr"], return_train_score=True)  # fmt: skip
    assert scores["test_accuracy"].mean() > 0.9


def test_calibration_and_ensembles():
    model = MLPClassifier(**QUICK)
    assert CalibratedClassifierCV(model, cv=2).fit(X, Y).score(X, Y) > 0.9
    assert BaggingClassifier(model, n_estimators=3, random_state=0).fit(X, Y).score(X, Y) > 0.9
    voting = VotingClassifier([("ours", model), ("line", LogisticRegression(max_iter=500))], voting="soft")
    assert voting.fit(X, Y).score(X, Y) > 0.9
    stack = StackingRegressor([("ours", MLPRegressor(**QUICK)), ("line", LinearRegression())], cv=2)
    assert stack.fit(X[:, 1:], X[:, 0]).score(X[:, 1:], X[:, 0]) > 0.7
    scaled = TransformedTargetRegressor(MLPRegressor(**QUICK), transformer=StandardScaler())
    assert scaled.fit(X[:, 1:], 1000 * X[:, 0]).score(X[:, 1:], 1000 * X[:, 0]) > 0.6
    both = MultiOutputClassifier(model).fit(X, np.c_[Y, Y > 1])
    assert both.predict(X).shape == (150, 2)


def test_inspection():
    model = MLPClassifier(**QUICK).fit(X, Y)
    importance = permutation_importance(model, X, Y, n_repeats=3, random_state=0).importances_mean
    assert importance[2:].max() > importance[:2].max()  # petals tell
    curve = partial_dependence(model, X, [2], kind="average")["average"]
    assert curve.shape[0] == 3
    np.testing.assert_allclose(curve.sum(axis=0), 1)


def test_metadata_is_routed():
    weight = np.where(Y == 0, 0.0, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        model = MLPClassifier(**QUICK).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        search = GridSearchCV(model, {"alpha": [1e-4]}, cv=2).fit(X, Y, sample_weight=weight)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        routed = make_pipeline(scaler, model).fit(X, Y, sample_weight=weight)
    assert (search.predict(X[:50]) != 0).mean() > 0.9
    assert (routed.predict(X[:50]) != 0).mean() > 0.9


def test_an_optuna_study_with_pruning():
    optuna = pytest.importorskip("optuna")

    def objective(trial):
        model = MLPClassifier((trial.suggest_int("units", 2, 16),), random_state=0, learning_rate_init=0.02)
        for epoch in range(10):
            trial.report(model.partial_fit(X, Y, classes=[0, 1, 2]).score(X, Y), epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return model.score(X, Y)

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=4)
    assert study.best_value > 0.3


@pytest.mark.nightly
def test_shap_explains_predictions():
    shap = pytest.importorskip("shap")
    model = MLPRegressor(**QUICK).fit(X[:, 1:], X[:, 0])
    explained = shap.Explainer(model.predict, X[:20, 1:])(X[:5, 1:])
    total = explained.values.sum(axis=1) + explained.base_values
    np.testing.assert_allclose(total, model.predict(X[:5, 1:]), rtol=1e-6)
