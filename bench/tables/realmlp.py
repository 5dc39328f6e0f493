"""`python -m bench.tables.realmlp`: our preset "realmlp" and pytabkit's RealMLP-TD, both at their defaults.

Both get the same rows to train on, the same to choose the best epoch by and the same to test on, fold by fold, and as
many threads. Scores are accuracy, or R2. Times are those of the processor, which other processes disturb less.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor
from sklearn.model_selection import train_test_split

from backpass.tables import TableModel

from ..measure import Others
from ..outcome import disturbed
from ..table import Table
from .folds import available, folds, interval, standardized
from .presets import as_categories
from .tables import CASES, Case

DEFAULT = ["breast cancer", "orange juice", "cells", "diabetes", "Sacramento", "concrete"]
HELD_OUT = 0.2  # of the rows to train on


def ours(case: Case, threads: int, seed: int, parts: Any) -> tuple[Any, float]:
    """Predictions for the test rows, and seconds of the fit."""
    (x, y), held_out, (x_test, _) = parts
    task = "classification" if case.task == "classes" else "regression"
    begin = time.process_time()
    model = TableModel("realmlp", seed=seed, threads=threads).fit(x, y, task=task, validation=held_out)
    seconds = time.process_time() - begin
    return model.predict(x_test), seconds


def theirs(case: Case, threads: int, seed: int, parts: Any) -> tuple[Any, float]:
    """Likewise."""
    (x, y), (x_val, y_val), (x_test, _) = parts
    kind = RealMLP_TD_Classifier if case.task == "classes" else RealMLP_TD_Regressor
    model = kind(device="cpu", random_state=seed, n_cv=1, n_refit=0, n_threads=threads, verbosity=0)
    begin = time.process_time()
    model.fit(x, y, x_val, y_val)
    seconds = time.process_time() - begin
    return np.asarray(model.predict(x_test)).reshape(len(x_test)), seconds


def score(case: Case, wanted: Any, predicted: Any) -> float:
    """Accuracy, or R2."""
    if case.task == "classes":
        return float((predicted == wanted).mean())
    return float(1 - np.square(predicted - wanted).mean() / wanted.var())


def filled(x: Any, train: Any) -> Any:
    """Medians of training rows where numbers are missing, for both: pytabkit takes none that are."""
    numbers = x.select_dtypes("number").columns
    return x.assign(**{name: x[name].fillna(x[name].iloc[train].median()).astype(float) for name in numbers})


def compare(case: Case, x: Any, y: Any, threads: int, splits: list[Any]) -> tuple[Any, Any]:
    """Scores and seconds, (folds, 2): theirs and ours."""
    found = []
    for turn, (train, test) in enumerate(splits):
        target, table = standardized(case, y, train).astype(np.float64), filled(x, train)
        if case.task == "classes":
            target = target.astype(np.int64)
        strata = target[train] if case.task == "classes" else None
        rows, held = train_test_split(train, test_size=HELD_OUT, random_state=turn, stratify=strata)
        parts = [(table.iloc[part].reset_index(drop=True), target[part]) for part in (rows, held, test)]
        pair: list[Any] = [None, None]
        for place, run in list(enumerate((theirs, ours)))[:: 1 if turn % 2 else -1]:
            predicted, seconds = run(case, threads, turn, parts)
            pair[place] = score(case, target[test], predicted), seconds
        found.append(pair)
    scores, seconds = np.moveaxis(np.array(found), 2, 0)
    return scores, seconds


def main() -> None:
    """Prints the table, and again as markdown."""
    parser = argparse.ArgumentParser(prog="python -m bench.tables.realmlp", description=__doc__)
    parser.add_argument("--tables", nargs="+", choices=[case.name for case in CASES], metavar="NAME", default=DEFAULT)
    parser.add_argument("--repeats", type=int, default=1, help="of three folds")
    parser.add_argument("--folds", type=int, help="only so many, for times")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data", type=Path, help="a folder with uci/power-plant.txt and uci/protein.txt")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    columns = ["table", "rows", "theirs", "ours", "difference", "theirs, s", "ours, s", "speedup"]
    note = (
        "Accuracy or R2 on held-out rows, the difference with its paired 95 % interval; processor seconds are medians."
    )
    table, others = Table("RealMLP-TD of pytabkit, and ours", columns, note, first=16).begin(), Others()
    for case, x, y in available(asked.tables, asked.data):
        splits = list(folds(case, y, asked.repeats))[: asked.folds]
        scores, seconds = compare(case, as_categories(x), y, asked.threads, splits)
        mean, spread = interval(scores[:, 1] - scores[:, 0])
        their, own = (f"{each:.4f}" for each in scores.mean(axis=0))
        spent = [f"{each:.2f}" for each in np.median(seconds, axis=0)]
        faster = f"{statistics.median(seconds[:, 0] / seconds[:, 1]):.1f}x"
        table.add(case.name, f"{case.rows:,}", their, own, f"{mean:+.4f} ± {spread:.4f}", *spent, faster)
    table.end()
    print(f"\n{table.markdown()}", *disturbed({"all": others.share()}), sep="\n")


if __name__ == "__main__":
    main()
