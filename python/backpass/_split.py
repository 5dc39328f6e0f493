"""Holding rows out for validation."""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass.datasets import stratified_split


def split(
    data: tuple[Any, Any, Any], share: float, stratify: bool, seed: int, several: tuple[bool, bool]
) -> tuple[tuple[Any, Any, Any], tuple[Any, Any, Any]]:
    """Rows to train on and rows held out at random, both as (x, y, sample_weight).

    `several` tells whether x and y hold an array for each of several inputs and outputs.

    Raises:
        ValueError: where one of them would be empty, or classes cannot be told.
    """
    x, y, sample_weight = data
    parts = (x, several[0]), (y, several[1]), (sample_weight, False)
    rows = _row_count(x, several[0])
    if stratify:
        kept, held = stratified_split(_labels(y, several[1]), share, seed=seed)
    else:
        order = np.random.default_rng(seed).permutation(rows)
        count = round(share * rows)
        held, kept = np.sort(order[:count]), np.sort(order[count:])
    if len(held) == 0 or len(kept) == 0:
        raise ValueError(f"[fit] validation_split {share} of {rows} rows leaves {len(kept)} and {len(held)} rows")
    first, second = (tuple(_take(part, chosen, many) for part, many in parts) for chosen in (kept, held))
    return first, second


def _take(value: Any, rows: Any, several: bool) -> Any:
    """These rows of an array, or of every array of a list or dict of them."""
    if value is None:
        return None
    if isinstance(value, dict):
        return {name: _take(part, rows, False) for name, part in value.items()}
    if several:
        return [_take(part, rows, False) for part in value]
    return np.asanyarray(value)[rows]


def _row_count(x: Any, several: bool) -> int:
    if isinstance(x, dict):
        return len(next(iter(x.values())))
    return len(x[0]) if several else len(x)


def _labels(y: Any, several: bool) -> Any:
    labels = None if several or isinstance(y, dict) else np.asarray(y)
    if labels is None or labels.ndim != 1:
        raise ValueError("[fit] stratify needs targets of one class per row")
    return labels
