"""Repeated folds of a table, and what paired scores over them say."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats
from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold

from .tables import CASES, Case, MissingTableError


def available(names: Sequence[str] | None, data: Path | None) -> Iterator[tuple[Case, Any, Any]]:
    """Tables that are installed, with their columns and targets; a line for each that is not."""
    for case in CASES:
        if names and case.name not in names:
            continue
        try:
            yield case, *case.load(data)
        except MissingTableError as missing:
            print(f"{case.name}: skipped, {missing}", file=sys.stderr)


def folds(case: Case, y: Any, repeats: int) -> Iterator[tuple[Any, Any]]:
    """Rows to train on and to test on: three folds, stratified by class, some times over."""
    cut = RepeatedStratifiedKFold if case.task == "classes" else RepeatedKFold
    yield from cut(n_splits=3, n_repeats=repeats, random_state=0).split(np.zeros(len(y)), y)


def standardized(case: Case, y: Any, train: Any) -> Any:
    """Numbers less their mean in training rows, divided by their deviation there; labels as they are."""
    return y if case.task == "classes" else (y - y[train].mean()) / y[train].std()


def interval(differences: Any) -> tuple[float, float]:
    """The mean of paired differences, and half the width of its 95 % interval (Student's t over the folds)."""
    n = len(differences)
    spread = float(stats.t.ppf(0.975, n - 1) * np.std(differences, ddof=1) / np.sqrt(n)) if n > 1 else np.inf
    return float(np.mean(differences)), spread
