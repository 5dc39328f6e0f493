"""Augmentation: functions f(x, y, rng) -> (x, y) that `fit(..., augment=f)` applies to copies of each batch's rows.

`x` and `y` are arrays of the batch that may be changed in place (labels are int32), `rng` is a `numpy.random.Generator`
that follows from the seed and the step alone. Several are applied in order. Validation and prediction see plain rows.

Example:
    >>> import backpass as bp, numpy as np
    >>> def brighter(x, y, rng):
    ...     return x * rng.uniform(0.9, 1.1, (len(x), 1)), y
    >>> x, y = bp.datasets.load_digits()
    >>> model = bp.Sequential(bp.Dense(10), seed=0)
    >>> both = [brighter, bp.augment.noise(0.1)]
    >>> history = model.fit(x, y, loss=bp.CrossEntropy(), optimizer=bp.Adam(), augment=both)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from backpass import _checks

if TYPE_CHECKING:
    from backpass._types import Array

__all__ = ["Augmentation", "crop", "flip", "mixup", "noise"]

Augmentation: TypeAlias = Callable[[Any, Any, np.random.Generator], tuple[Any, Any]]


def noise(std: float) -> Augmentation:
    """Adds normal noise to the inputs: x + std * N(0, 1).

    Example:
        >>> import backpass as bp, numpy as np
        >>> x, y = bp.augment.noise(0.5)(np.zeros((1000, 2)), np.zeros(1000), np.random.default_rng(0))
        >>> float(x.std().round(1))
        0.5
    """
    scale = _checks.number("noise", "std", std)
    if not (scale >= 0 and np.isfinite(scale)):
        raise ValueError(f"[noise] std must be finite and not negative, got {scale}")

    def add(x: Array, y: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        return x + (scale * rng.standard_normal(x.shape)).astype(x.dtype), y

    return add


def mixup(alpha: float, classes: int | None = None) -> Augmentation:
    """Each row becomes lam * row + (1 - lam) * another row of the batch, targets too; lam is from Beta(alpha, alpha).

    Labels become rows of probabilities. Reference: Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization".

    Args:
        alpha: above 0; the larger, the more rows are mixed.
        classes: how many classes labels stand for; None where targets are values.

    Example:
        >>> import backpass as bp, numpy as np
        >>> x, y = bp.augment.mixup(1.0, classes=3)(np.eye(3), np.arange(3), np.random.default_rng(0))
        >>> bool(np.allclose(x, y))
        True
    """
    spread = _checks.number("mixup", "alpha", alpha)
    if not (spread > 0 and np.isfinite(spread)):
        raise ValueError(f"[mixup] alpha must be finite and above 0, got {spread}")
    count = None if classes is None else _checks.integer("mixup", "classes", classes, minimum=1)

    def mix(x: Array, y: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        if np.issubdtype(y.dtype, np.integer):
            if count is None:
                raise ValueError("[mixup] classes must be given: the targets are labels")
            y = _one_hot(y, count, x.dtype)
        share = rng.beta(spread, spread, len(x)).astype(x.dtype)
        other = rng.permutation(len(x))
        return _blend(x, share, other), _blend(y, share, other)

    return mix


def flip(shape: Sequence[int], axis: int = 1) -> Augmentation:
    """Flips about half of the rows, each read as an image of this shape, along an axis: 1 swaps left and right.

    Example:
        >>> import backpass as bp, numpy as np
        >>> x, y = bp.augment.flip((1, 3))(np.tile([1, 2, 3], (4, 1)), np.zeros(4), np.random.default_rng(0))
        >>> sorted({tuple(row) for row in x.tolist()})
        [(1, 2, 3), (3, 2, 1)]
    """
    dims = _checks.shape("flip", "shape", shape)
    along = _checks.integer("flip", "axis", axis, minimum=0)
    if along >= len(dims):
        raise ValueError(f"[flip] axis must be below {len(dims)}, got {along}")

    def turn(x: Array, y: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        images = _images("flip", x, dims)
        chosen = rng.random(len(x)) < 0.5
        images[chosen] = np.flip(images[chosen], axis=along + 1)
        return images.reshape(x.shape), y

    return turn


def crop(shape: Sequence[int], padding: int) -> Augmentation:
    """Shifts each row, read as an image (height, width, ...), by up to `padding` pixels; what comes in is zero.

    The same as padding every side with zeros and cutting out a window of the old size at random.

    Example:
        >>> import backpass as bp, numpy as np
        >>> x, y = bp.augment.crop((3, 3), 1)(np.ones((5, 9)), np.zeros(5), np.random.default_rng(0))
        >>> x.shape, sorted({int(total) for total in x.sum(axis=1)}) <= [4, 6, 9]
        ((5, 9), True)
    """
    dims = _checks.shape("crop", "shape", shape)
    if len(dims) < 2:
        raise ValueError(f"[crop] shape must be (height, width) or (height, width, ...), got {dims}")
    border = _checks.integer("crop", "padding", padding, minimum=0)

    def cut(x: Array, y: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        images = _images("crop", x, dims)
        padded = np.pad(images, [(0, 0), (border, border), (border, border), *[(0, 0)] * (len(dims) - 2)])
        for image, wide, (top, left) in zip(images, padded, rng.integers(0, 2 * border + 1, (len(x), 2)), strict=True):
            image[:] = wide[top : top + dims[0], left : left + dims[1]]
        return images.reshape(x.shape), y

    return cut


def chain(
    given: Augmentation | Sequence[Augmentation] | None,
) -> Callable[[Any, Any, int, int], tuple[Any, Any]] | None:
    """One function (x, y, seed, step) -> (x, y) of all of them; None where there are none."""
    if given is not None and not callable(given) and not isinstance(given, Iterable):
        raise TypeError(f"[fit] augment must be a function (x, y, rng) -> (x, y), or several, got {given!r}")
    several = [given] if callable(given) else list(given or ())
    for each in several:
        if not callable(each):
            raise TypeError(f"[fit] augment must be a function (x, y, rng) -> (x, y), or several, got {each!r}")
    if not several:
        return None

    def apply(x: Any, y: Any, seed: int, step: int) -> tuple[Any, Any]:
        rng = np.random.default_rng((seed, step))
        for each in several:
            result = each(x, y, rng)
            if not isinstance(result, (tuple, list)) or len(result) != 2:
                raise TypeError(f"[augment] must return (x, y), got {type(result).__name__}")
            x, y = result
        return x, y

    return apply


def _one_hot(labels: Array, classes: int, dtype: Any) -> Array:
    outside = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(outside):
        row = int(outside[0])
        raise ValueError(f"[mixup] labels must be in [0, {classes}), got {labels[row]} in row {row}")
    return np.eye(classes, dtype=dtype)[labels]


def _blend(rows: Array, share: Array, other: Array) -> Array:
    by_row = share.reshape(-1, *[1] * (rows.ndim - 1))
    return np.asarray(by_row * rows + (1 - by_row) * rows[other])


def _images(where: str, x: Array, dims: tuple[int, ...]) -> Array:
    if x[:1].size != (np.prod(dims) if len(x) else 0):
        raise ValueError(f"[{where}] shape must fit rows of shape {x.shape[1:]}, got {dims}")
    return x.reshape(len(x), *dims).copy()
