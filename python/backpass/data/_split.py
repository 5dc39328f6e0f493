"""Holding rows out for validation."""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass.data._data import parts_of
from backpass.datasets import stratified_split


def split(
    data: tuple[Any, Any, Any], share: float, stratify: bool, seed: int, arrays: tuple[int, int]
) -> tuple[tuple[Any, Any, Any], tuple[Any, Any, Any]]:
    """Rows to train on and rows held out at random, both as (x, y, sample_weight).

    `arrays` tells how many x and y hold, one for each of several inputs and outputs.

    Raises:
        TypeError: if one of several is missing because there is no list of them.
        ValueError: if rows do not agree, one part would be empty, or classes cannot be told.
    """
    x, y, sample_weight = data
    several = arrays[0] > 1, arrays[1] > 1
    parts = (x, several[0]), (y, several[1]), (sample_weight, False)
    rows = _checked_rows(_shapes("x", x, arrays[0]), _shapes("y", y, arrays[1]), sample_weight)
    if stratify:
        kept, held = stratified_split(_labels(y, several[1]), share, seed=seed)
    else:
        order = np.random.default_rng(seed).permutation(rows)
        count = round(share * rows)
        held, kept = np.sort(order[:count]), np.sort(order[count:])
    if len(held) == 0 or len(kept) == 0:
        cure = ": each class is divided on its own; stratify is for labels, of which several rows have each"
        raise ValueError(
            f"[fit] validation_split {share} of {rows} rows leaves {len(kept)} and {len(held)} rows"
            f"{cure if stratify else ''}"
        )
    first, second = (tuple(take(part, chosen, many) for part, many in parts) for chosen in (kept, held))
    return first, second


def take(value: Any, rows: Any, several: bool) -> Any:
    """These rows of an array, or of every array of a list or dict of them."""
    if value is None:
        return None
    if isinstance(value, dict):
        return {name: take(part, rows, False) for name, part in value.items()}
    if several:
        return [take(part, rows, False) for part in value]
    if (parts := parts_of(value)) is not None:
        return tuple(take(part, rows, False) for part in parts)
    return np.asanyarray(value)[rows]


def _shapes(name: str, value: Any, arrays: int) -> list[tuple[int, ...]]:
    """Of the one array, or of all in a list or dict of several."""
    parts = parts_of(value) if arrays == 1 and name == "y" else None
    if parts is not None:
        return [tuple(np.shape(part)) for part in (parts.values() if isinstance(parts, dict) else parts)]
    if arrays == 1 and not isinstance(value, dict):
        return [tuple(np.shape(value))]
    if not isinstance(value, (list, tuple, dict)):
        raise TypeError(f"[fit] {name} must be a list of {arrays} arrays, got {type(value).__name__}")
    if len(value) != arrays:
        raise ValueError(f"[fit] {name} must hold {arrays} arrays, got {len(value)}")
    return [tuple(np.shape(part)) for part in (value.values() if isinstance(value, dict) else value)]


def _checked_rows(x: list[tuple[int, ...]], y: list[tuple[int, ...]], sample_weight: Any) -> int:
    """How many rows there are: a cut of arrays that do not agree would hide it."""
    if not all(x):
        raise ValueError("[fit] x must hold rows, got a single number")
    rows = x[0][0]
    for shape in x:
        if shape[0] != rows:
            raise ValueError(f"[x] inputs have {rows} and {shape[0]} rows")
    for shape in y:
        if shape[:1] != (rows,):
            raise ValueError(f"[y] expected {rows} rows as x has, got shape {shape}")
    if sample_weight is not None and np.shape(sample_weight) != (rows,):
        raise ValueError(f"[sample_weight] expected shape ({rows},), got {np.shape(sample_weight)}")
    return rows


def _labels(y: Any, several: bool) -> Any:
    labels = None if several or isinstance(y, dict) else np.asarray(y)
    if labels is not None and labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels is None or labels.ndim != 1:
        raise ValueError("[fit] stratify needs targets of one class per row")
    return labels
