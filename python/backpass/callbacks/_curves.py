"""The columns of a history as curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from backpass.callbacks._history import History


def plot(history: History, columns: Sequence[str]) -> list[Axes]:
    """See `History.plot`."""
    try:
        from matplotlib import pyplot
    except ImportError:
        raise ImportError("[History] plot needs matplotlib: pip install 'backpass[plot]'") from None
    _, panels = pyplot.subplots(1, len(columns), figsize=(4 * len(columns), 3), squeeze=False, layout="constrained")
    for axes, name in zip(panels[0], columns, strict=True):
        _draw(axes, history, name)
    return list(panels[0])


def _draw(axes: Axes, history: History, name: str) -> None:
    """One column; several epochs are a line, one is a point."""
    epochs, marker = range(1, history.epochs + 1), "." if history.epochs < 20 else ""
    axes.plot(epochs, history[name], label="training", marker=marker)
    if f"val_{name}" in history:
        axes.plot(epochs, history[f"val_{name}"], label="validation", marker=marker)
        axes.legend()
    axes.set(title=name, xlabel="epoch")
    axes.grid(alpha=0.3)
