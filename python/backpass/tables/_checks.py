"""What in a table is legal but probably a mistake, and what counts most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from backpass._types import Array
from backpass.tables._columns import is_missing, text_of
from backpass.tables._frames import Columns
from backpass.tables._model import TableModel


def warnings_of(columns: Columns, target: Array, is_class: bool) -> list[str]:
    """Columns that are constant, that name the row, or that tell the target."""
    told = []
    for name, values in columns.items():
        there = values[~is_missing(values)]
        texts = [text_of(value) for value in there]
        distinct = len(set(texts))
        if distinct < 2:
            told.append(f"column {name!r} has one value only")
        elif len(texts) > 20 and distinct > 0.95 * len(texts) and _names_rows(there):
            told.append(f"column {name!r} looks like a name or number of the row: it has {distinct} different values")
        elif _tells(values, target, is_class):
            told.append(f"column {name!r} alone tells the target: is it known when you predict?")
    return told


def _names_rows(values: Array) -> bool:
    if values.dtype == object:
        return not all(isinstance(value, (int, float)) for value in values)
    if values.dtype.kind not in "iuf":
        return False
    numbers = values.astype(np.float64)
    return bool((numbers == np.round(numbers)).all() and (np.abs(np.diff(numbers)) == 1).mean() > 0.9)


def _tells(values: Array, target: Array, is_class: bool) -> bool:
    there = ~is_missing(values)
    values, target = values[there], target[there]
    if is_class:
        seen: dict[str, set[str]] = {}
        for value, wanted in zip(values, target, strict=True):
            seen.setdefault(text_of(value), set()).add(text_of(wanted))
        return len(seen) <= max(2, len(values) // 5) and all(len(kinds) == 1 for kinds in seen.values())
    if values.dtype.kind not in "iuf" or len(values) < 3:
        return False
    x, y = values.astype(np.float64), target.astype(np.float64)
    if x.std() == 0 or y.std() == 0:
        return False
    return bool(abs(np.corrcoef(x, y)[0, 1]) > 0.999)


def importances(
    model: TableModel, columns: Columns, target: Any, score: str, repeats: int = 3, seed: int = 0
) -> dict[str, float]:
    """By how much the score falls where a column is shuffled, the mean of some tries (Breiman 2001), greatest first."""
    rng = np.random.default_rng(seed)
    whole = model.evaluate(columns, target)[score]
    lost: dict[str, float] = {}
    for name, values in columns.items():
        shuffled: list[Mapping[str, Any]] = [columns | {name: rng.permutation(values)} for _ in range(repeats)]
        lost[name] = whole - float(np.mean([model.evaluate(table, target)[score] for table in shuffled]))
    return dict(sorted(lost.items(), key=lambda item: -item[1]))
