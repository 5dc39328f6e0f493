"""`python -m bench.tables.presets`: networks and boosted trees at their defaults on the list, and their ranks.

Trees get columns as they are, with categories as such; networks get numbers and a column for each category. Scores are
R2, or the logarithmic loss of probabilities, on the same held-out rows for all.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import log_loss, r2_score
from sklearn.pipeline import make_pipeline

import backpass.sklearn as ours
from backpass.tables import TableModel
from backpass.tables._presets import PRESETS

from ..table import Table
from .folds import available, folds, standardized
from .prepare import numbers
from .tables import CASES, Case

QUICK = ["wine", "breast cancer", "diabetes"]
Make = Callable[[bool], Any]  # of whether the task is one of classes


def boosted(package: str, name: str, **settings: Any) -> Make | None:
    """Trees of a package, where it is installed."""
    if importlib.util.find_spec(package) is None:
        return None
    module = importlib.import_module(package)
    return lambda classes: getattr(module, name + ("Classifier" if classes else "Regressor"))(**settings)


def scikit_learn(classes: bool) -> Any:
    """Trees over histograms."""
    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    return kind(categorical_features="from_dtype", random_state=0)


def perceptron(classes: bool) -> Any:
    """One of ours with the parameters of scikit-learn's, ended by held-out rows."""
    kind = ours.MLPClassifier if classes else ours.MLPRegressor
    return make_pipeline(numbers(), kind(early_stopping=True, dtype="float32", random_state=0))


class CatBoost:
    """Trees of CatBoost, which asks for the names of categories, and for texts in them."""

    def __init__(self, classes: bool) -> None:
        module = importlib.import_module("catboost")
        kind = module.CatBoostClassifier if classes else module.CatBoostRegressor
        self.model = kind(verbose=False, random_seed=0, allow_writing_files=False)

    def fit(self, x: Any, y: Any) -> None:
        """Trains."""
        names = list(x.columns[x.dtypes == "category"])
        self.model.fit(self._texts(x), y, cat_features=names)

    def predict(self, x: Any) -> Any:
        """Numbers."""
        return self.model.predict(self._texts(x))

    def predict_proba(self, x: Any) -> Any:
        """Of classes: (rows, classes)."""
        return self.model.predict_proba(self._texts(x))

    def _texts(self, x: Any) -> Any:
        names = x.columns[x.dtypes == "category"]
        return x.assign(**{name: x[name].astype(object).fillna("missing").astype(str) for name in names})


class Preset:
    """A preset of `backpass.tables` behind fit and predict."""

    def __init__(self, preset: str, classes: bool) -> None:
        self.model, self.task = TableModel(preset, seed=0), "classification" if classes else "regression"

    def fit(self, x: Any, y: Any) -> None:
        """Trains."""
        self.model.fit(x, y, task=self.task)

    def predict(self, x: Any) -> Any:
        """Numbers."""
        return self.model.predict(x)

    def predict_proba(self, x: Any) -> Any:
        """Of classes: (rows, classes)."""
        return self.model.predict_probabilities(x)


FOUND: dict[str, Make | None] = {
    "MLPClassifier": perceptron,
    **{preset: partial(Preset, preset) for preset in PRESETS},
    "HistGB": scikit_learn,
    "LightGBM": boosted("lightgbm", "LGBM", verbose=-1, random_state=0),
    "XGBoost": boosted("xgboost", "XGB", enable_categorical=True, random_state=0),
    "CatBoost": CatBoost if importlib.util.find_spec("catboost") else None,
}
CONTENDERS = {name: make for name, make in FOUND.items() if make}


def as_categories(x: Any) -> Any:
    """Columns that are no numbers as categories of pandas, the same for all rows."""
    return x.astype({name: "category" for name in x.columns if x[name].dtype.kind not in "iufb"})


def score(case: Case, model: Any, x: Any, y: Any, train: Any, test: Any) -> tuple[float, float]:
    """Of held-out rows, R2 or the logarithmic loss; and seconds of the fit."""
    target = standardized(case, y, train)
    begin = time.perf_counter()
    model.fit(x.iloc[train], target[train])
    seconds = time.perf_counter() - begin
    if case.task == "numbers":
        return float(r2_score(target[test], model.predict(x.iloc[test]))), seconds
    return float(log_loss(target[test], model.predict_proba(x.iloc[test]), labels=np.unique(target))), seconds


def ranks(case: Case, scores: Any) -> Any:
    """From 1, the best, by the mean over folds."""
    better = scores.mean(axis=0) * (1 if case.task == "classes" else -1)
    return np.argsort(np.argsort(better)) + 1


def main() -> None:
    """Prints scores table by table, mean ranks, and all again as markdown."""
    parser = argparse.ArgumentParser(prog="python -m bench.tables.presets", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three tables of scikit-learn's own")
    parser.add_argument("--tables", nargs="+", choices=[case.name for case in CASES], metavar="NAME")
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=[*CONTENDERS])
    parser.add_argument("--repeats", type=int, default=1, help="of three folds")
    parser.add_argument("--data", type=Path, help="a folder with uci/power-plant.txt and uci/protein.txt")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    note = "Logarithmic loss (of classes, less is better) or R2 (of numbers) on held-out rows; the best in bold."
    table = Table("Networks and boosted trees at their defaults", ["table", "task", *asked.contenders], note).begin()
    placed, spent = [], []
    for case, x, y in available(asked.tables or (QUICK if asked.quick else None), asked.data):
        x, found = as_categories(x), []
        for train, test in folds(case, y, asked.repeats):
            makers = [CONTENDERS[name] for name in asked.contenders]
            found.append([score(case, make(case.task == "classes"), x, y, train, test) for make in makers])
        scores, seconds = np.moveaxis(np.array(found), 2, 0)
        placed.append(ranks(case, scores))
        spent.append(np.median(seconds, axis=0))
        means = [f"{mean:.4f}" for mean in scores.mean(axis=0)]
        cells = [f"**{cell}**" if rank == 1 else cell for cell, rank in zip(means, placed[-1], strict=True)]
        table.add(case.name, case.task, *cells)
    table.add("mean rank", "", *(f"{rank:.2f}" for rank in np.mean(placed, axis=0)))
    table.add("seconds of a fit", "", *(f"{each:.2f}" for each in np.mean(spent, axis=0)))
    table.end()
    print(f"\n{table.markdown()}")


if __name__ == "__main__":
    main()
