"""`python -m bench.tables`: our perceptrons and scikit-learn's, fold by fold, on tables that come with it."""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn import datasets, neural_network
from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from backpass import sklearn as ours

from ..measure import SETTLE_SECONDS, Others
from ..outcome import disturbed
from ..table import Table


def made(rows: int, kind: str) -> tuple[Any, Any]:
    if kind == "regressor":
        x, y = datasets.make_friedman1(rows, n_features=20, noise=1.0, random_state=0)
        return x, (y - y.mean()) / y.std()
    return datasets.make_classification(rows, n_features=20, n_informative=10, n_classes=5, random_state=0)


def loaded(name: str) -> tuple[Any, Any]:
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return (x, (y - y.mean()) / y.std()) if name == "diabetes" else (x, y)


# Table, kind of estimator, settings beside the defaults.
CASES: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "iris": (lambda: loaded("iris"), "classifier", {}),
    "wine": (lambda: loaded("wine"), "classifier", {}),
    "breast cancer": (lambda: loaded("breast_cancer"), "classifier", {}),
    "digits": (lambda: loaded("digits"), "classifier", {}),
    "digits, early stopping": (lambda: loaded("digits"), "classifier", {"early_stopping": True}),
    "digits, lbfgs": (lambda: loaded("digits"), "classifier", {"solver": "lbfgs"}),
    "diabetes": (lambda: loaded("diabetes"), "regressor", {"early_stopping": True}),
    "diabetes, lbfgs": (lambda: loaded("diabetes"), "regressor", {"solver": "lbfgs", "alpha": 10.0}),
    "five classes, 5,000": (lambda: made(5_000, "classifier"), "classifier", {"max_iter": 40}),
    "Friedman 1, 10,000": (lambda: made(10_000, "regressor"), "regressor", {"max_iter": 40}),
}
NAMES = {"classifier": "MLPClassifier", "regressor": "MLPRegressor"}


def folds(x: Any, y: Any, kind: str, repeats: int) -> Iterator[tuple[Any, Any]]:
    cut = RepeatedStratifiedKFold if kind == "classifier" else RepeatedKFold
    yield from cut(n_splits=3, n_repeats=repeats, random_state=0).split(x, y)


def measured(estimator: Any, x: Any, y: Any, train: Any, test: Any) -> tuple[float, float]:
    """Score on rows held out, and seconds of the fit."""
    time.sleep(SETTLE_SECONDS)
    begin = time.perf_counter()
    estimator.fit(x[train], y[train])
    return estimator.score(x[test], y[test]), time.perf_counter() - begin


def compare(name: str, repeats: int) -> list[str]:
    """A row of the table: scores, their paired difference, times, and how many times as fast."""
    make, kind, settings = CASES[name]
    x, y = make()
    found = []
    for train, test in folds(x, y, kind, repeats):
        pair = []
        for module in (neural_network, ours):
            model = getattr(module, NAMES[kind])(random_state=0, **settings)
            pair.append(measured(make_pipeline(StandardScaler(), model), x, y, train, test))
        found.append(pair)
    scores, seconds = np.array(found)[..., 0], np.array(found)[..., 1]
    difference = scores[:, 1] - scores[:, 0]
    spread = 1.96 * difference.std(ddof=1) / np.sqrt(len(difference))
    faster = statistics.median(seconds[:, 0] / seconds[:, 1])
    their, own = (f"{each:.4f}" for each in scores.mean(axis=0))
    milliseconds = [f"{1e3 * each:,.1f}" for each in np.median(seconds, axis=0)]
    return [
        name,
        f"{len(x):,}",
        their,
        own,
        f"{difference.mean():+.4f} ± {spread:.4f}",
        *milliseconds,
        f"{faster:.1f}x",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.tables", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one repeat of three folds")
    parser.add_argument("--cases", nargs="+", choices=[*CASES], default=[*CASES], metavar="NAME")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    columns = ["table", "rows", "theirs", "ours", "difference", "theirs, ms", "ours, ms", "speedup"]
    note = "Scores are accuracy or R2 on held-out rows, the difference with its 95 % interval over the folds."
    table = Table("scikit-learn's perceptrons and ours: equal settings, float64", columns, note, first=24).begin()
    others, shares = Others(), {}
    for name in options.cases:
        table.add(*compare(name, 1 if options.quick else 3))
    shares["all"] = others.share()
    table.end()
    print(f"\n{table.markdown()}", *disturbed(shares), sep="\n")


if __name__ == "__main__":
    main()
