"""Rows to train on, and rows to measure on."""

from __future__ import annotations

import numpy as np

from backpass._types import Array
from backpass.tables._columns import is_missing, text_of
from backpass.tables._frames import Columns


def random_rows(target: Array, share: float, is_class: bool, seed: int) -> Array:
    """Which rows are held out, bool (rows,): at random, class by class."""
    rows = len(target)
    order = np.random.default_rng(seed).permutation(rows)
    if is_class:
        labels = np.unique([text_of(value) for value in target], return_inverse=True)[1]
        order = order[np.argsort(labels[order], kind="stable")]
    chosen = np.zeros(rows, bool)
    chosen[order] = (np.arange(rows) * share + share / 2) % 1.0 < share
    return chosen


def last_rows(columns: Columns, name: str, share: float) -> Array:
    """The latest by a column of dates or numbers."""
    values = columns[name]
    if values.dtype.kind not in "iufM" or is_missing(values).any():
        raise ValueError(f"column {name!r} must have a date or a number in every row to split by time")
    order = np.argsort(values, kind="stable")
    chosen = np.zeros(len(values), bool)
    chosen[order[len(values) - max(1, round(share * len(values))) :]] = True
    return chosen


def whole_groups(columns: Columns, name: str, share: float, seed: int) -> Array:
    """All rows of some groups, until there are enough: no group is on both sides."""
    labels = np.array([text_of(value) for value in columns[name]])
    groups = np.unique(labels)
    if len(groups) < 2:
        raise ValueError(f"column {name!r} has one group only")
    chosen = np.zeros(len(labels), bool)
    for group in np.random.default_rng(seed).permutation(groups)[:-1]:
        if chosen.mean() >= share:
            break
        chosen |= labels == group
    return chosen
