"""Data sets: rows with a loss, a batch size and a weight of their own, several in one fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from backpass import _checks
from backpass._sealed import Sealed
from backpass.data._data import Rows, rows_of

if TYPE_CHECKING:
    from backpass._types import ArrayLike, Targets


class Data(Sealed):
    """One of several data sets of a fit: `model.fit([bp.Data(...), bp.Data(...)], optimizer=...)`.

    Each step draws a batch from every set, and updates once, by the gradient of the sum of their losses, each times its
    weight. The set with the most batches says how long an epoch is. A smaller one begins again where it is over, in
    another order; at the start of an epoch all begin anew. Batch statistics and dropout masks are those of each batch.

    Args:
        x: (rows, *input_shape), as for `fit`.
        y: targets, as the loss wants them; None where it needs none.
        loss: as for `fit`, also one that looks at `x`; None is the loss of the fit.
        weight: multiplies the loss; any finite number.
        batch_size: None is that of the fit.
        sample_weight: (rows,).
        loss_weights: a number for each of several outputs.
        name: of its column in the history: "loss_boundary"; None is its number.

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
    ) -> None:
        rows = None if batch_size is None else _checks.integer("Data", "batch_size", batch_size, minimum=1)
        if name is not None and not _checks.text("Data", "name", name):
            raise ValueError("[Data] name must not be empty")
        self._keep(
            x=x,
            y=y,
            loss=loss,
            weight=_finite(weight),
            batch_size=rows,
            sample_weight=sample_weight,
            loss_weights=loss_weights,
            name=name or "",
        )

    def _rows(self, complete: bool) -> Rows:
        """As `fit` hands rows on; `()` stands for no targets."""
        rows = rows_of(self.x, () if self.y is None else self.y, self.sample_weight, "fit", complete)
        assert isinstance(rows, tuple)
        return rows

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


def data_sets(x: Any, y: Any, options: dict[str, Any]) -> list[Data] | None:
    """The data sets of a fit; None where x is something else.

    Raises:
        TypeError: if some are data sets and some are not.
        ValueError: if an option is given that belongs to rows.
    """
    several = isinstance(x, (list, tuple)) and len(x) > 0 and isinstance(x[0], Data)
    if not several and not isinstance(x, Data):
        return None
    parts = list(x) if several else [x]
    for part in parts:
        if not isinstance(part, Data):
            raise TypeError(f"[fit] a list of data sets must hold Data alone, got {type(part).__name__}")
    told = {"y": y, **{name: options[name] for name in ("sample_weight", "class_weight", "augment")}}
    for name, value in told.items():
        if value is not None:
            raise ValueError(f"[fit] {name} must not be given beside data sets: {_instead(name)}")
    if options["validation_split"]:
        raise ValueError("[fit] validation_split must not be given beside data sets: validation_data tells which rows")
    return parts


def _instead(name: str) -> str:
    if name == "augment":
        return "it changes rows of one"
    return "it weighs labels of one; give sample_weight" if name == "class_weight" else "each has its own"


def names_of_sets(sets: Sequence[Data]) -> list[str]:
    """What their columns are called."""
    return [part.name or str(index) for index, part in enumerate(sets)]


def loss_of_sets(x: Any) -> Any:
    """The loss of the first data set; None where there is none."""
    first = x[0] if isinstance(x, (list, tuple)) and len(x) > 0 else x
    return first.loss if isinstance(first, Data) else None
