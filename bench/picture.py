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


def speedup_bars(axes: Axes, names: list[str], speedups: list[float], labels: list[str]) -> None:
    """How many times as fast as the best peer, on a logarithmic axis around 1: to the left of it a case is lost."""
    places = range(len(names))
    colors = [LOST if is_lost(speedup) else OURS for speedup in speedups]
    axes.barh(places, [speedup - 1 for speedup in speedups], left=1, color=colors, height=0.7)
    for place, speedup, label in zip(places, speedups, labels, strict=True):
        axes.annotate(f"{speedup:.2f}x  {label}" if speedup >= 1 else f"{label}  {speedup:.2f}x", (speedup, place),
                      xytext=(4 if speedup >= 1 else -4, 0), textcoords="offset points",
                      ha="left" if speedup >= 1 else "right", va="center", fontsize=8)  # fmt: skip
    axes.axvline(1, color="black", linewidth=1)
    axes.set(xscale="log", yticks=places, yticklabels=names, ylim=(len(names) - 0.4, -0.6))
    least, most = min(speedups), max(speedups)
    axes.set_xlim(min(least, 0.9) / (2.5 if least < 1 else 1.1), max(most, 1.1) * 2)
    axes.set_xticks([tick for tick in (0.2, 0.5, 1, 2, 5, 10, 20) if axes.get_xlim()[0] < tick < axes.get_xlim()[1]])
    plain_numbers(axes.xaxis, "{:g}x")
    axes.grid(axis="x", alpha=0.3)


def save(made: Figure, path: Path) -> None:
    made.savefig(path, dpi=120)
