"""What happened in a fit, and what it tells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from backpass import _checks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame


class History(dict[str, list[float]]):
    """The history of a fit: one list per column, one number per epoch.

    Columns are "loss", "weight_penalty" and "added_loss" (which are in it) where there were such, the metrics,
    "val_loss" and "val_..." where there was validation data, and "learning_rate", the rate of the last update of each
    epoch.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.Dense(1), seed=0)
        >>> history = model.fit([[1.0]], [[2.0]], loss=bp.MSE(), optimizer=bp.SGD(0.1), epochs=3)
        >>> list(history), history.epochs, history["learning_rate"]
        (['loss', 'learning_rate'], 3, [0.1, 0.1, 0.1])
    """

    @property
    def epochs(self) -> int:
        """The number of finished epochs."""
        return len(self.get("loss", []))

    @property
    def history(self) -> dict[str, list[float]]:
        """The columns as a plain dict, under the name by which other libraries have them."""
        return dict(self)

    def to_frame(self) -> DataFrame:
        """A pandas DataFrame: a column for each column, a row for each epoch, counted from 1.

        Raises:
            ImportError: if pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise ImportError("[History] to_frame needs pandas: pip install pandas") from None
        epochs = pandas.RangeIndex(1, self.epochs + 1, name="epoch")
        return pandas.DataFrame(self.history, index=epochs)

    def plot(self, *columns: str) -> list[Axes]:
        """Curves over the epochs, with matplotlib: a panel for each column, with its "val_..." beside it.

        Args:
            columns: which; none means all but "val_..." ones, which stand with what they belong to.

        Returns:
            The axes; `history.plot()[0].figure.savefig("curves.png")` keeps the picture, `pyplot.show()` shows it.

        Raises:
            ValueError: if there is no such column.
            ImportError: if matplotlib is not installed.
        """
        for column in columns:
            check_column("History", "a column to plot", column, list(self))
        if not self:
            raise ValueError("[History] has no columns to plot")
        from backpass.callbacks._curves import plot

        return plot(self, columns or [name for name in self if not name.startswith("val_")])

    def overfits(self, tolerance: float = 0.1, window: int = 3) -> bool:
        """Whether the validation loss has turned up while the training loss went on falling.

        With b the epoch of the lowest validation loss, and means over the last `window` epochs (at most those after b):
        mean(val_loss) > val_loss[b] + tolerance |val_loss[b]| and mean(loss) < loss[b].

        Args:
            tolerance: by what part of its lowest value the validation loss must have risen.
            window: over how many epochs to take the mean, so that noise does not count.

        Raises:
            ValueError: if there was no validation data, or an argument is out of range.

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


Columns: TypeAlias = tuple[Sequence[str], Sequence[str]]
"""Those of losses, and the names of metrics."""


def terms_of(outputs: int) -> list[str]:
    """The columns of losses, of so many that are added up."""
    return ["loss", *(f"loss_{i}" for i in range(outputs) if outputs > 1)]


def columns_of(training: Columns, held_out: Columns | None = None, penalties: Sequence[str] = ()) -> list[str]:
    """The columns that a fit will have, in their order.

    Args:
        training: of what is trained on.
        held_out: of what is validated on, without "val_"; None where there is none.
        penalties: what is in the loss beside the data's: columns of their own.

    Raises:
        ValueError: if a metric has the name of another column.
    """
    losses, metrics = training
    validated = [f"val_{name}" for part in held_out or () for name in part]
    columns = [*losses, *penalties, *metrics, *validated, "learning_rate"]
    for name in metrics:
        if columns.count(name) > 1 or name == "epoch":
            raise ValueError(f"[metrics] names must differ from those of other columns, got {name!r} twice")
    return columns


def check_column(where: str, name: str, column: str, columns: Sequence[str]) -> None:
    """Raises ValueError where there will be no such column, TypeError where it is no name."""
    if _checks.text(where, name, column) in columns:
        return
    if column.startswith("val_") and column.removeprefix("val_") in columns and "val_loss" not in columns:
        cure = "give fit validation_data or validation_split"
        raise ValueError(f"[{where}] {name} {column!r} needs validation data: {cure}; there are {', '.join(columns)}")
    raise ValueError(f"[{where}] {name} must be one of {', '.join(columns)}, got {column!r}")


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
