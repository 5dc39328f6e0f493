"""Data that ships with backpass.

Example:
    >>> import backpass as bp
    >>> images, digits = bp.datasets.load_digits()
    >>> images.shape
    (1797, 64)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from backpass import _checks

if TYPE_CHECKING:
    from backpass._types import Array

__all__ = ["load_digits", "stratified_split"]


def load_digits() -> tuple[Array, Array]:
    """Handwritten digits: 1,797 images of 8 by 8 pixels.

    The test set of "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998, UCI Machine Learning
    Repository, CC BY 4.0), in the order in which scikit-learn distributes it.

    Returns:
        x (1797, 64) float32, pixels from 0 (paper) to 1 (ink), row by row; y (1797,) int64, the digits.

    Example:
        >>> import backpass as bp
        >>> x, y = bp.datasets.load_digits()
        >>> x.shape, y[:5].tolist()
        ((1797, 64), [0, 1, 2, 3, 4])
    """
    from importlib import resources  # opens zip files and more: a quarter of the time of importing backpass

    with resources.files("backpass.datasets").joinpath("digits.npz").open("rb") as file, np.load(file) as data:
        images, labels = data["images"], data["labels"]
    return images.reshape(-1, 64).astype(np.float32) / np.float32(16), labels.astype(np.int64)


def stratified_split(y: Array, fraction: float = 0.2, *, seed: int = 0) -> tuple[Array, Array]:
    """Row numbers for training and for testing, with the same share of every class in the test part.

    Args:
        y: (rows,) classes.
        fraction: how much goes to the test part; each class is rounded on its own.
        seed: decides which rows.

    Raises:
        ValueError: if y is not one class for each row, or fraction not between 0 and 1.

    Returns:
        Two arrays of row numbers, ascending, that have no row in common and together hold all.

    Example:
        >>> import backpass as bp
        >>> train, test = bp.datasets.stratified_split([0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
        >>> len(train), len(test)
        (8, 2)
    """
    share = _checks.number("stratified_split", "fraction", fraction)
    if not 0 < share < 1:
        raise ValueError(f"[stratified_split] fraction must be between 0 and 1, got {share}")
    labels = np.asarray(y)
    if labels.ndim != 1:
        raise ValueError(f"[stratified_split] y must have shape (rows,), got {labels.shape}")
    random = np.random.default_rng(_checks.integer("stratified_split", "seed", seed, minimum=0))
    held_out = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        rows = random.permutation(np.flatnonzero(labels == label))
        held_out[rows[: round(share * len(rows))]] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)
