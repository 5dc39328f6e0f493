"""The picture of cost against size: width, depth, batch, threads."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator

from ..picture import LOST, OURS, PEER, figure, plain_numbers, save
from ..train.scaling import DEFAULT

STYLES = ("--", ":", "-.")


def curves(axes: Axes, name: str, sweep: dict[str, Any]) -> None:
    """Microseconds of a step; red: where a neighbour's cost jumps or falls beyond its work."""
    styles = cycle(STYLES)
    for contender, timings in sweep["timings"].items():
        ours = contender.startswith("backpass")
        sizes, times = [int(size) for size in timings], [timing["median"] * 1e6 for timing in timings.values()]
        style = {"color": OURS, "marker": ".", "zorder": 3} if ours else {"color": PEER, "linestyle": next(styles)}
        axes.plot(sizes, times, label=contender, linewidth=1.2, **style)
        if ours:
            by_size = dict(zip(sizes, times, strict=True))
            for i, (before, size, _) in enumerate(sweep["cliffs"]):
                pair = (before, size)
                axes.plot(pair, [by_size[s] for s in pair], color=LOST, linewidth=2.5, zorder=4,
                          label="beyond 1.3 times the work" if i == 0 else None)  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel=name, ylabel="microseconds", title=sweep["about"])
    axes.xaxis.set_major_locator(LogLocator(base=2, numticks=9))
    plain_numbers(axes.xaxis, "{:,g}")
    plain_numbers(axes.yaxis, "{:,g}")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="upper left")


def threads(axes: Axes, widths: dict[str, Any]) -> None:
    for width, timings in widths.items():
        fixed = {int(n): timing["median"] * 1e6 for n, timing in timings.items() if n != DEFAULT}
        (line,) = axes.plot(list(fixed), list(fixed.values()), ".-", label=f"width {int(width):,}")
        axes.axhline(timings[DEFAULT]["median"] * 1e6, color=line.get_color(), linewidth=0.8, linestyle=":")
        axes.set_xticks(list(fixed))
    axes.set(yscale="log", xlabel="threads", ylabel="microseconds", title="64-w-w-10 on 128 rows (dotted: by default)")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    plain_numbers(axes.yaxis, "{:,g}")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def draw(book: dict[str, Any], path: Path) -> None:
    made = figure((13, 9), "backpass: the cost of a step against its size", book)
    grid = made.subplots(2, 2)
    for axes, name in zip(grid.flat, ("width", "depth", "batch", "threads"), strict=True):
        found = book["size"].get(name)
        if not found:
            axes.axis("off")
        elif name == "threads":
            threads(axes, found)
        else:
            curves(axes, name, found)
    save(made, path)
