"""The picture of what lies around the arithmetic: parts of a step, and memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from ..picture import OURS, PEER, figure, save
from .share import FROM_SECONDS, LIMIT


def parts(axes: Axes, cases: dict[str, Any]) -> None:
    """Stacked, in per cent of a step; what seems to cost less than nothing is noise and drawn as nothing."""
    left = [0.0] * len(cases)
    for part in ("loss", "shuffle", "metrics"):
        widths = [100 * max(0.0, case["parts"][part]) for case in cases.values()]
        axes.barh(range(len(cases)), widths, left=left, label=part, height=0.7)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    labels = [
        name + (" (below 20 μs)" if case["timings"]["plain"]["median"] < FROM_SECONDS else "")
        for name, case in cases.items()
    ]
    axes.axvline(100 * LIMIT, color="black", linewidth=1, linestyle="--", label=f"{LIMIT:.0%}")
    axes.set(yticks=range(len(cases)), yticklabels=labels, ylim=(len(cases) - 0.4, -0.6), xlabel="% of a step",
             title="around the arithmetic of a step")  # fmt: skip
    axes.grid(axis="x", alpha=0.3)
    axes.legend(fontsize=8, loc="lower right")


def memory(axes: Axes, found: dict[str, Any]) -> None:
    sizes = {name: one["bytes"] / 1e6 for name, one in found.items() if "bytes" in one}
    colors = [OURS if name.startswith("backpass") else PEER for name in sizes]
    drawn = axes.barh(range(len(sizes)), list(sizes.values()), color=colors, height=0.7)
    axes.bar_label(drawn, fmt="{:.0f}", padding=3, fontsize=8)
    axes.set(yticks=range(len(sizes)), yticklabels=[*sizes], ylim=(len(sizes) - 0.4, -0.6), xlabel="MB above import",
             title="peak memory while training mnist-wide")  # fmt: skip
    axes.margins(x=0.12)
    axes.grid(axis="x", alpha=0.3)


def draw(book: dict[str, Any], path: Path) -> None:
    made = figure((13, 5), "backpass: around the arithmetic", book)
    left, right = made.subplots(1, 2)
    for axes, name, drawer in ((left, "share", parts), (right, "memory", memory)):
        if found := book["around"].get(name):
            drawer(axes, found)
        else:
            axes.axis("off")
    save(made, path)
