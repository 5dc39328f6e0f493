"""`python -m bench.tables`: our perceptrons and scikit-learn's, equal settings, fold by fold, on the list of tables."""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import neural_network

from backpass import sklearn as ours

from ..measure import SETTLE_SECONDS, Others
from ..outcome import disturbed
from ..table import Table
from .folds import available, folds, interval, standardized
from .prepare import numbers
from .tables import CASES, Case

SETTINGS: dict[str, dict[str, Any]] = {
    "adam": {},
    "early stopping": {"early_stopping": True},
    "lbfgs": {"solver": "lbfgs"},
}
NAMES = {"classes": "MLPClassifier", "numbers": "MLPRegressor"}
TRAINED = 1_000_000  # rows of all epochs of a fit, at most
QUICK = ["wine", "breast cancer", "digits", "diabetes"]


def measured(model: Any, train: tuple[Any, Any], test: tuple[Any, Any]) -> tuple[float, float]:
    """Score on rows held out, and seconds of the fit."""
    time.sleep(SETTLE_SECONDS)
    begin = time.perf_counter()
    model.fit(*train)
    seconds = time.perf_counter() - begin
    return model.score(*test), seconds


def compare(case: Case, x: Any, y: Any, settings: dict[str, Any], splits: list[Any]) -> tuple[Any, Any]:
    """Scores and seconds, (folds, 2): theirs and ours."""
    found = []
    for turn, (train, test) in enumerate(splits):
        prepare, target = numbers().fit(x.iloc[train]), standardized(case, y, train)
        rows = [(prepare.transform(x.iloc[part]), target[part]) for part in (train, test)]
        most = max(10, min(200, TRAINED // len(train)))
        pair: list[Any] = [None, None]
        for place, module in list(enumerate((neural_network, ours)))[:: 1 if turn % 2 else -1]:
            model = getattr(module, NAMES[case.task])(random_state=turn, max_iter=most, **settings)
            pair[place] = measured(model, *rows)
        found.append(pair)
    scores, seconds = np.moveaxis(np.array(found), 2, 0)
    return scores, seconds


def line(case: Case, scores: Any, seconds: Any) -> list[str]:
    """A row of the table."""
    mean, spread = interval(scores[:, 1] - scores[:, 0])
    faster = statistics.median(seconds[:, 0] / seconds[:, 1])
    their, own = (f"{each:.4f}" for each in scores.mean(axis=0))
    milliseconds = [f"{1e3 * each:,.1f}" for each in np.median(seconds, axis=0)]
    verdict = "worse" if mean < -spread else "better" if mean > spread else ""
    difference = f"{mean:+.4f} ± {spread:.4f}"
    return [case.name, f"{case.rows:,}", their, own, difference, verdict, *milliseconds, f"{faster:.1f}x"]


def main() -> None:
    """Prints the table, and again as markdown."""
    parser = argparse.ArgumentParser(prog="python -m bench.tables", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three folds of scikit-learn's own tables")
    parser.add_argument("--tables", nargs="+", choices=[case.name for case in CASES], metavar="NAME")
    parser.add_argument("--settings", choices=SETTINGS, default="adam")
    parser.add_argument("--repeats", type=int, default=3, help="of three folds")
    parser.add_argument("--fold", type=int, help="only this one, for times")
    parser.add_argument("--data", type=Path, help="a folder with uci/power-plant.txt and uci/protein.txt")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    columns = ["table", "rows", "theirs", "ours", "difference", "", "theirs, ms", "ours, ms", "speedup"]
    note = "Scores are accuracy or R2 on held-out rows, the difference with its paired 95 % interval over the folds."
    title = f"scikit-learn's perceptrons and ours: {asked.settings}, equal settings, float64"
    table, others = Table(title, columns, note, first=16).begin(), Others()
    for case, x, y in available(asked.tables or (QUICK if asked.quick else None), asked.data):
        splits = list(folds(case, y, 1 if asked.quick else asked.repeats))
        chosen = splits if asked.fold is None else splits[asked.fold : asked.fold + 1]
        table.add(*line(case, *compare(case, x, y, SETTINGS[asked.settings], chosen)))
    table.end()
    print(f"\n{table.markdown()}", *disturbed({"all": others.share()}), sep="\n")


if __name__ == "__main__":
    main()
