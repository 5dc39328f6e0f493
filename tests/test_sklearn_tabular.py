"""`TabularClassifier` and `TabularRegressor` with data frames, and with what clients of scikit-learn do."""

import pickle

import numpy as np
import pandas
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from backpass.sklearn import TabularClassifier, TabularRegressor

ROWS = 200


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    X = pandas.DataFrame(
        {
            "hours": rng.uniform(0, 10, ROWS),
            "town": rng.choice(["Ulm", "Bonn", "Kiel"], ROWS),
            "day": pandas.Timestamp("2021-01-01") + pandas.to_timedelta(rng.integers(0, 300, ROWS), "D"),
            "noise": rng.standard_normal(ROWS),
        }
    )
    X.loc[::9, "hours"] = np.nan
    X.loc[::11, "town"] = None
    y = X["hours"].fillna(5) + 4 * (X["town"] == "Bonn") + 0.1 * rng.standard_normal(ROWS)
    return X, y


def classes_of(y):
    return np.where(y > y.median(), "late", "early")


def test_frames_are_taken_as_they_are(frame):
    X, y = frame
    model = TabularRegressor(random_state=0).fit(X, y)
    assert model.score(X, y) > 0.9
    assert list(model.feature_names_in_) == list(X.columns)
    assert [column.kind for column in model.model_.schema.columns] == ["number", "category", "date", "number"]
    assert len(model.validation_loss_curve_) == len(model.loss_curve_) == model.n_iter_


@pytest.mark.parametrize("preset", ["mlp", "tabm", "realmlp"])
def test_classes_keep_their_names(frame, preset):
    X, y = frame
    model = TabularClassifier(preset, hidden=(32,), random_state=0, max_iter=60).fit(X, classes_of(y))
    assert list(model.classes_) == ["early", "late"]
    assert set(model.predict(X)) <= {"early", "late"}
    assert model.score(X, classes_of(y)) > 0.85
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1, atol=1e-5)


def test_polars_and_arrays_are_tables_too(frame):
    polars = pytest.importorskip("polars")
    X, y = frame
    numbers = X[["hours", "noise"]]
    one = TabularRegressor(random_state=0, max_iter=10).fit(numbers, y)
    other = TabularRegressor(random_state=0, max_iter=10).fit(polars.from_pandas(numbers), y)
    third = TabularRegressor(random_state=0, max_iter=10).fit(numbers.to_numpy(), y)
    np.testing.assert_array_equal(one.predict(numbers), other.predict(polars.from_pandas(numbers)))
    np.testing.assert_array_equal(one.predict(numbers), third.predict(numbers.to_numpy()))


def test_clients_of_scikit_learn(frame):
    X, y = frame
    short = TabularRegressor(random_state=0, max_iter=15)
    search = GridSearchCV(short, {"hidden": [(8,), (32,)], "dropout": [0.0, 0.2]}, cv=2, n_jobs=2).fit(X, y)
    assert search.best_params_["hidden"] in [(8,), (32,)]
    assert len(cross_validate(short, X, y, cv=3)["test_score"]) == 3
    fitted = clone(short).set_params(max_iter=100).fit(X, y)
    importances = permutation_importance(fitted, X, y, n_repeats=2, random_state=0).importances_mean
    assert importances[:2].min() > importances[2:].max()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(X), fitted.predict(X))
    pipe = make_pipeline(
        ColumnTransformer([("as it is", "passthrough", ["hours", "town"])], verbose_feature_names_out=False).set_output(
            transform="pandas"
        ),
        FunctionTransformer(),
        clone(short),
    ).fit(X, y)
    assert pipe.predict(X).shape == (ROWS,)


def test_weights_and_rows_to_end_by(frame):
    X, y = frame
    labels = classes_of(y)
    heavy = TabularClassifier(class_weight={"early": 1, "late": 20}, random_state=0, max_iter=20).fit(X, labels)
    plain = TabularClassifier(random_state=0, max_iter=20).fit(X, labels, X_val=X[:50], y_val=labels[:50])
    assert (heavy.predict(X) == "late").sum() > (plain.predict(X) == "late").sum()
    weighted = TabularClassifier(random_state=0, max_iter=20).fit(X, labels, np.where(labels == "late", 20.0, 1.0))
    np.testing.assert_array_equal(weighted.predict_proba(X), heavy.predict_proba(X))


def test_categories_may_be_numbers(frame):
    rng = np.random.default_rng(1)
    X = np.column_stack([rng.integers(0, 5, 300), rng.standard_normal(300)])
    y = np.array([3.0, -2, 5, 0, 1])[X[:, 0].astype(int)]
    model = TabularRegressor(categorical_features=[0], random_state=0).fit(X, y)
    assert [column.kind for column in model.model_.schema.columns] == ["category", "number"]
    assert model.score(X, y) > 0.95


def test_what_does_not_fit_is_refused(frame):
    X, y = frame
    model = TabularRegressor(random_state=0, max_iter=2).fit(X, y)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(X.rename(columns={"town": "city"}))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        TabularRegressor().fit(X, y[:-1])
    with pytest.raises(ValueError, match="preset must be one of"):
        TabularRegressor("best").fit(X, y)
    with pytest.raises(ValueError, match="one class only"):
        TabularClassifier().fit(X, ["a"] * ROWS)
