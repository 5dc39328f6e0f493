"""Search: which of several settings train best."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass import _checks
from backpass._core import DivergedError
from backpass._text import table
from backpass.callbacks._history import check_column
from backpass.losses._metrics import rises
from backpass.optimizers._optimizer import Optimizer

if TYPE_CHECKING:
    from backpass._types import ArrayLike
    from backpass.callbacks._history import History

Row = dict[str, Any]


class SearchResult:
    """What `search` found; prints as a table, the best row first.

    Attributes:
        rows: one dict for each combination, sorted: its settings, and under the monitor's name its best value over the
            epochs (nan where training diverged), and "epoch", where it was.
        monitor: the column that decides.
        best: the first row.

    Example:
        >>> import backpass as bp
        >>> rows = [{"units": 8, "loss": 0.3, "epoch": 4}, {"units": 16, "loss": 0.2, "epoch": 3}]
        >>> bp.SearchResult(rows, "loss").best["units"]
        16
    """

    def __init__(self, rows: list[Row], monitor: str) -> None:
        if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
            raise TypeError(f"[SearchResult] rows must be a list of dicts, at least one, got {rows!r}")
        _checks.text("SearchResult", "monitor", monitor)
        if not all(monitor in row for row in rows):
            raise ValueError(f"[SearchResult] rows must all have the monitor {monitor!r}")
        sign = -1 if rises(monitor) else 1
        self.monitor = monitor
        self.rows = sorted(rows, key=lambda row: math.inf if math.isnan(row[monitor]) else sign * row[monitor])

    @property
    def best(self) -> Row:
        """The row with the best value."""
        return self.rows[0]

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        cells = [[_cell(value) for value in row.values()] for row in self.rows]
        return table(list(self.best), cells, numbers=2)


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def search(
    make_model: Callable[..., Any],
    grid: Mapping[str, Sequence[Any]],
    x: ArrayLike,
    y: ArrayLike,
    *,
    monitor: str = "val_loss",
    n: int | None = None,
    seed: int = 0,
    **fit: Any,
) -> SearchResult:
    """Trains one model for each combination of settings and ranks them.

    Args:
        make_model: called with one value of each list by name. Returns a model, or a pair of a model and a dict of
            arguments of `fit` that this combination wants: an optimizer with this rate, a batch size.
        grid: lists of values by name.
        x: (rows, *input_shape).
        y: targets, as the loss wants them.
        monitor: a column of the history; the best epoch counts. Which way is better follows from the name, as for
            `EarlyStopping`.
        n: how many combinations to try, drawn without repetition; None: all.
        seed: of the draw, and of every fit that is not given one.
        fit: arguments of `fit`, such as `loss=`, `epochs=` and `validation_data=`.

    Returns:
        A table with one row for each combination, the best first; where training diverged, the value is nan.

    Raises:
        TypeError: if make_model gives something else.
        ValueError: if the grid is empty or has "epoch" or the monitor, or the history has no such column.

    Example:
        >>> import backpass as bp
        >>> x, y = [[0.0], [1.0], [2.0]], [[1.0], [3.0], [5.0]]
        >>> def make_model(rate):
        ...     model = bp.Sequential(bp.Dense(1), input_shape=1, dtype="float64", seed=0)
        ...     return model, {"optimizer": bp.SGD(rate)}
        >>> result = bp.search(make_model, {"rate": [0.001, 0.1, 10.0]}, x, y,
        ...                    loss=bp.MSE(), epochs=30, monitor="loss")
        >>> result.best["rate"]
        0.1
    """
    _checks.text("search", "monitor", monitor)
    if not isinstance(grid, Mapping):
        raise TypeError(f"[search] grid must be a mapping of lists, got {grid!r}")
    for name in ("epoch", monitor):
        if name in grid:
            raise ValueError(f"[search] grid must not have {name!r}: rows tell by that name what was found")
    combinations = _combinations(grid, n, seed)
    rows = [_row(make_model, settings, x, y, monitor, {"seed": seed, "progress": False, **fit})
            for settings in combinations]  # fmt: skip
    return SearchResult(rows, monitor)


def _combinations(grid: Mapping[str, Sequence[Any]], n: int | None, seed: int) -> list[Row]:
    every = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    if not grid or not every:
        raise ValueError("[search] grid must have a value for every name")
    if n is None:
        return every
    count = min(_checks.integer("search", "n", n, minimum=1), len(every))
    return [every[i] for i in sorted(np.random.default_rng(seed).choice(len(every), count, replace=False))]


def _row(
    make_model: Callable[..., Any], settings: Row, x: ArrayLike, y: ArrayLike, monitor: str, fit: dict[str, Any]
) -> Row:
    made = make_model(**settings)
    model, own = made if isinstance(made, tuple) and len(made) == 2 else (made, {})
    if not hasattr(model, "fit") or not isinstance(own, Mapping):
        got = ", ".join(type(each).__name__ for each in made) if isinstance(made, tuple) else type(made).__name__
        cure = ': write model, {"optimizer": optimizer}' if isinstance(own, Optimizer) else ""
        raise TypeError(f"[search] make_model must give a model, or a model and a dict for fit, got {got}{cure}")
    try:
        return {**settings, **_best(model.fit(x, y, **{**fit, **own}), monitor)}
    except DivergedError:
        return {**settings, monitor: math.nan, "epoch": -1}


def _best(history: History, monitor: str) -> Row:
    check_column("search", "monitor", monitor, list(history))
    values = np.array(history[monitor], np.float64)
    if not np.isfinite(values).any():
        return {monitor: math.nan, "epoch": -1}
    at = int(np.nanargmax(values) if rises(monitor) else np.nanargmin(values))
    return {monitor: float(values[at]), "epoch": at}
