"""What the pictures of all tasks share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from .table import is_lost

OURS, PEER, LOST = "tab:blue", "tab:gray", "tab:red"


def figure(size: tuple[float, float], title: str, book: dict[str, Any]) -> Figure:
    """An empty picture that says on what machine its figures were taken."""
    made = Figure(figsize=size, layout="constrained")
    machine = book["environment"]
    precision = "" if book["precision"] == "highest" else f", precision {book['precision']}"
    threads = f"{machine['threads']} thread{'s' if machine['threads'] > 1 else ''}"
    made.suptitle(f"{title}\n{machine['cpu']}, {threads}, {machine['isa of backpass']}{precision}", fontsize=11)
    return made


def plain_numbers(axis: Any, text: str = "{:g}") -> None:
    """10 instead of powers of ten, on a logarithmic axis."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: text.format(value)))
    axis.set_minor_formatter(NullFormatter())


def ratio_bars(axes: Axes, names: list[str], ratios: list[float], labels: list[str]) -> None:
    """Our time as a part of the best peer's, on a logarithmic axis about 1: to the right of it a case is lost."""
    places = range(len(names))
    colors = [LOST if is_lost(ratio) else OURS for ratio in ratios]
    axes.barh(places, [ratio - 1 for ratio in ratios], left=1, color=colors, height=0.7)
    for place, ratio, label in zip(places, ratios, labels, strict=True):
        side = "right" if ratio <= 1 else "left"
        axes.annotate(f"{ratio:.2f}  {label}" if ratio > 1 else f"{label}  {ratio:.2f}", (ratio, place),
                      xytext=(-4 if ratio <= 1 else 4, 0), textcoords="offset points", ha=side, va="center",
                      fontsize=8)  # fmt: skip
    axes.axvline(1, color="black", linewidth=1)
    axes.set(xscale="log", yticks=places, yticklabels=names, ylim=(len(names) - 0.4, -0.6))
    least, most = min(ratios), max(*ratios, 1)
    axes.set_xlim(min(least, 0.9) / 3.2, max(most, 1.1) * (3.2 if most > 1 else 1.15))
    axes.set_xticks([tick for tick in (0.05, 0.1, 0.2, 0.5, 1, 2, 5) if axes.get_xlim()[0] < tick < axes.get_xlim()[1]])
    plain_numbers(axes.xaxis)
    axes.grid(axis="x", alpha=0.3)


def save(made: Figure, path: Path) -> None:
    made.savefig(path, dpi=120)
