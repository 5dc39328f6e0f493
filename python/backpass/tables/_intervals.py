"""How far numbers lie from what was predicted, on rows that were held out: split conformal prediction."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from backpass._types import Array

MOST = 1000  # distances that are kept


def kept(distances: Array) -> tuple[float, ...]:
    """The distances in order; of many, as many of their quantiles, each rounded up."""
    ordered = np.sort(distances)
    if len(ordered) > MOST:
        ordered = ordered[np.ceil(np.arange(1, MOST + 1) * len(ordered) / MOST).astype(int) - 1]
    return tuple(float(distance) for distance in ordered)


def reach(distances: Sequence[float], coverage: float) -> float:
    """The distance that a new row keeps within with probability `coverage`: the ceil((n + 1) coverage)-th of n.

    That holds where new rows are like those that were held out (Lei et al. 2018).

    Raises:
        ValueError: if coverage is not within 0 and 1, or so high that n rows cannot tell.
    """
    if not 0 < coverage < 1:
        raise ValueError(f"[predict_interval] coverage must be within 0 and 1, got {coverage}")
    count = len(distances)
    place = math.ceil((count + 1) * coverage - 1e-9)
    if place > count:
        most = count / (count + 1)
        raise ValueError(
            f"[predict_interval] {count} held-out rows tell of a coverage up to {most:.3f}, got {coverage}"
        )
    return distances[place - 1]
