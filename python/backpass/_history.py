"""What happened in a fit, and what it tells."""

from __future__ import annotations

import math
from collections.abc import Sequence

from backpass import _checks


class History(dict[str, list[float]]):
    """What happened in a fit: one list per column, one number per epoch.

    Columns are "loss", the metrics, "val_loss" and "val_..." where there was validation data, and "learning_rate", the
    rate of the last update of each epoch.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.Dense(1), seed=0)
        >>> history = model.fit([[1.0]], [[2.0]], loss=bp.MSE(), optimizer=bp.SGD(0.1), epochs=3)
        >>> list(history), history.epochs, history["learning_rate"]
        (['loss', 'learning_rate'], 3, [0.1, 0.1, 0.1])
    """

    @property
    def epochs(self) -> int:
        """How many epochs were finished."""
        return len(self.get("loss", []))

    def overfits(self, tolerance: float = 0.1, window: int = 3) -> bool:
        """Whether the validation loss has turned up while the training loss went on falling.

        With b the epoch of the lowest validation loss, and means over the last `window` epochs (at most those after b):
        mean(val_loss) > val_loss[b] + tolerance |val_loss[b]| and mean(loss) < loss[b].

        Args:
            tolerance: by what part of its lowest value the validation loss must have risen.
            window: over how many epochs to take the mean, so that noise does not count.

        Raises:
            ValueError: where there was no validation data, or an argument is out of range.

        Example:
            >>> import backpass as bp
            >>> bp.History(loss=[3.0, 2.0, 1.0, 0.5, 0.2], val_loss=[3.0, 2.5, 2.6, 2.9, 3.3]).overfits()
            True
            >>> bp.History(loss=[3.0, 2.0, 1.0, 0.5, 0.2], val_loss=[3.0, 2.5, 1.6, 1.1, 0.8]).overfits()
            False
        """
        least = _checks.number("overfits", "tolerance", tolerance)
        if not (least >= 0 and math.isfinite(least)):
            raise ValueError(f"[overfits] tolerance must be finite and not negative, got {tolerance}")
        epochs = _checks.integer("overfits", "window", window, minimum=1)
        if "val_loss" not in self:
            raise ValueError("[overfits] needs a fit with validation_data")
        held_out, training = self["val_loss"], self["loss"]
        numbers = [value for value in held_out if not math.isnan(value)]
        if not numbers:
            return False
        best = held_out.index(min(numbers))
        limit = held_out[best] + least * abs(held_out[best])
        last = slice(max(best + 1, len(held_out) - epochs), None)
        if not held_out[last]:
            return False
        return _mean(held_out[last]) > limit and _mean(training[last]) < training[best]


def columns_of(outputs: int, metrics: Sequence[str], validated: bool) -> list[str]:
    """The columns that a fit will have, in their order.

    Raises:
        ValueError: where a metric has the name of another column.
    """
    own = ["loss", *(f"loss_{i}" for i in range(outputs) if outputs > 1), *metrics]
    columns = [*own, *(f"val_{name}" for name in own if validated), "learning_rate"]
    for name in metrics:
        if columns.count(name) > 1 or name == "epoch":
            raise ValueError(f"[metrics] names must differ from those of other columns, got {name!r} twice")
    return columns


def check_column(where: str, name: str, column: str, columns: Sequence[str]) -> None:
    """Raises ValueError where there will be no such column."""
    if column not in columns:
        raise ValueError(f"[{where}] {name} must be one of {', '.join(columns)}, got {column!r}")


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
