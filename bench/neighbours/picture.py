"""The picture of busy neighbours: how many times as fast every loop is as itself on one thread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..measure import Timing, paired
from ..picture import figure, save
from .loops import LOOPS
from .run import LEAST, NEIGHBOURS


def speedup(loop: dict[str, Any]) -> float:
    return paired(Timing(**loop["one"]), Timing(**loop["threads"]))


def draw(book: dict[str, Any], path: Path) -> None:
    cases = book["neighbours"]
    made = figure((13, 6), "backpass beside busy processes: times as fast as on one thread", book)
    height = 0.8 / len(LOOPS)
    for axes, neighbours in zip(made.subplots(1, len(NEIGHBOURS), sharey=True), map(str, NEIGHBOURS), strict=True):
        for place, name in enumerate(LOOPS):
            speedups = [speedup(case[neighbours]["loops"][name]) for case in cases.values()]
            axes.barh([i + (place - 1.5) * height for i in range(len(cases))], speedups, height=height, label=name)
        axes.axvline(1, color="black", linewidth=1)
        axes.axvline(LEAST, color="black", linewidth=1, linestyle="--", label=f"{LEAST}x")
        axes.set(yticks=range(len(cases)), yticklabels=[*cases], ylim=(len(cases) - 0.4, -0.6),
                 title=f"{neighbours} busy", xlabel="times as fast as on one thread")  # fmt: skip
        axes.grid(axis="x", alpha=0.3)
        axes.legend(fontsize=8)
    save(made, path)
