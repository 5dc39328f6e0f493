"""Data sets: rows with a loss, a batch size and a weight of their own, several in one fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from backpass import _checks
from backpass._sealed import Sealed
from backpass.data._data import Rows, rows_of
from backpass.data._streams import Stream, is_stream

if TYPE_CHECKING:
    from backpass._types import ArrayLike, Metrics, Targets
    from backpass.augment import Augmentation
    from backpass.data._class_weights import ClassWeight


class Data(Sealed):
    """One of several data sets of a fit: `model.fit([bp.Data(...), bp.Data(...)], optimizer=...)`.

    Each step draws a batch from every set, and updates once, by the gradient of the sum of their losses, each times its
    weight. An epoch lasts until all sets have been gone through: it is as long as the one with the most batches. One
    that is over before begins again, in another order; at the start of an epoch all begin anew. Batch statistics and
    dropout masks are those of each batch. `validation_data` and `evaluate` take sets, too.

    Args:
        x: (rows, *input_shape), as for `fit`. Or, with no y, a `Stream` or chunks (x, y): a function that gives an
            iterable of them, a list of tuples, or an iterator (for one epoch in which it is not the first to be over).
        y: targets, as the loss wants them; None where it needs none.
        loss: as for `fit`, also one that looks at `x`; None is the loss of the fit.
        weight: multiplies the loss; any finite number.
        batch_size: None is that of the fit.
        sample_weight: (rows,).
        loss_weights: a number for each of several outputs.
        name: of its columns in the history: "loss_boundary", "accuracy_boundary"; None is its number.
        metrics: as for `fit`; None are those of the fit, () is none, for a set without targets.
        class_weight: as for `fit`.
        augment: as for `fit`, where the set is trained on.

    Raises:
        TypeError: if a setting is something else.
        ValueError: if it is out of range. What is wrong with the rows is told by `fit`, with the name of the set.

    Example:
        >>> import backpass as bp, numpy as np
        >>> def residual(u, x):
        ...     slope, = bp.gradients(bp.sum(u), [x])
        ...     return bp.square(slope + u)
        >>> model = bp.Sequential(bp.Dense(8, activation="tanh"), bp.Dense(1), dtype="float64", seed=0)
        >>> inside = bp.Data(np.linspace(0, 1, 20)[:, None], loss=residual, name="inside")
        >>> start = bp.Data([[0.0]], [[1.0]], loss=bp.MSE(), weight=10.0, name="start")
        >>> history = model.fit([inside, start], optimizer=bp.LBFGS(), epochs=100)
        >>> list(history)
        ['loss', 'loss_inside', 'loss_start', 'learning_rate']
        >>> bool(abs(model.predict([[1.0]])[0, 0] - np.exp(-1)) < 1e-3)
        True
    """

    _instead = "make another one"
    x: ArrayLike
    y: Targets
    loss: Any
    weight: float
    batch_size: int | None
    sample_weight: ArrayLike | None
    loss_weights: Sequence[float] | None
    name: str
    metrics: Metrics | None
    class_weight: ClassWeight
    augment: Augmentation | Sequence[Augmentation] | None

    def __init__(
        self,
        x: ArrayLike,
        y: Targets = None,
        *,
        loss: Any = None,
        weight: float = 1.0,
        batch_size: int | None = None,
        sample_weight: ArrayLike | None = None,
        loss_weights: Sequence[float] | None = None,
        name: str | None = None,
        metrics: Metrics | None = None,
        class_weight: ClassWeight = None,
        augment: Augmentation | Sequence[Augmentation] | None = None,
    ) -> None:
        rows = None if batch_size is None else _checks.integer("Data", "batch_size", batch_size, minimum=1)
        if name is not None and not _checks.text("Data", "name", name):
            raise ValueError("[Data] name must not be empty")
        transform_of(augment)
        self._keep(
            x=x,
            y=y,
            loss=loss,
            weight=_finite(weight),
            batch_size=rows,
            sample_weight=sample_weight,
            loss_weights=loss_weights,
            name=name or "",
            metrics=metrics,
            class_weight=class_weight,
            augment=augment,
        )

    def _rows(self, where: str, complete: bool, epochs: int) -> Rows | Stream:
        """As `fit` hands rows on; `()` stands for no targets."""
        y = () if self.y is None and not is_stream(self.x) else self.y
        return rows_of(self.x, y, self.sample_weight, where, complete, epochs)

    def __repr__(self) -> str:
        shown = {"loss": None, "weight": 1.0, "batch_size": None, "name": ""}
        own = {key: vars(self).get(key, plain) for key, plain in shown.items()}
        told = [f"{key}={value!r}" for key, value in own.items() if value != shown[key]]
        return f"Data({', '.join(['...', *told])})"


def _finite(weight: Any) -> float:
    number = _checks.number("Data", "weight", weight)
    if not math.isfinite(number):
        raise ValueError(f"[Data] weight must be finite, got {weight}")
    return number


def loss_of_sets(x: Any) -> Any:
    """The loss of the first data set; None where there is none."""
    first = x[0] if isinstance(x, (list, tuple)) and len(x) > 0 else x
    return first.loss if isinstance(first, Data) else None


def transform_of(augment: Augmentation | Sequence[Augmentation] | None) -> Any:
    """What changes each batch, as the core calls it; None where nothing does. TypeError for what is no function."""
    if augment is None:
        return None
    from backpass.augment import chain

    return chain(augment)
