"""The picture of busy neighbours: every loop by itself on one thread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..picture import figure, save
from .loops import LOOPS
from .run import MOST, NEIGHBOURS


def draw(book: dict[str, Any], path: Path) -> None:
    cases = book["neighbours"]
    made = figure((13, 6), "backpass beside busy processes: times its own time on one thread", book)
    height = 0.8 / len(LOOPS)
    for axes, neighbours in zip(made.subplots(1, len(NEIGHBOURS), sharey=True), map(str, NEIGHBOURS), strict=True):
        for place, name in enumerate(LOOPS):
            ratios = [case[neighbours]["ratios"][name] for case in cases.values()]
            axes.barh([i + (place - 1.5) * height for i in range(len(cases))], ratios, height=height, label=name)
        axes.axvline(1, color="black", linewidth=1)
        axes.axvline(MOST, color="black", linewidth=1, linestyle="--", label=f"{MOST}")
        axes.set(yticks=range(len(cases)), yticklabels=[*cases], ylim=(len(cases) - 0.4, -0.6),
                 title=f"{neighbours} busy", xlabel="times one thread")  # fmt: skip
        axes.grid(axis="x", alpha=0.3)
        axes.legend(fontsize=8)
    save(made, path)
