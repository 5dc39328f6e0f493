"""The picture of the contest: bars against the best peer, the roofline, thread scaling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ..picture import OURS, PEER, figure, plain_numbers, save, speedup_bars
from .scaling import DEFAULT

MARKERS = "osDv^<>Pp*Xhd"
LEVELS = {"L1": ":", "L2": "-.", "L3": "--", "memory": "-"}


def seconds(entry: dict[str, Any], which: str) -> float:
    return entry["contenders"][entry[which]]["timing"]["median"]


def bars(axes: Axes, cases: dict[str, Any]) -> None:
    against = {name: case for name, case in cases.items() if case["best_peer"]}
    if against:
        speedups = [seconds(case, "best_peer") / seconds(case, "best_of_ours") for case in against.values()]
        speedup_bars(axes, [*against], speedups, [case["best_peer"] for case in against.values()])
    axes.set(title="speed of backpass\n(1x: as fast as the best peer)", xlabel="times as fast as the best peer")


def roofline(axes: Axes, cases: dict[str, Any], limits: dict[str, Any], threads: str) -> None:
    """Reached FLOP/s over FLOP per byte that the calls of a step touch; hollow: the best peer, doing the same work."""
    peak = limits["fma"]["float32"][threads]
    intensity = {name: case["flops"] / case["bytes"] for name, case in cases.items()}
    low, high = min(intensity.values()) / 2, max(intensity.values()) * 2
    x = np.geomspace(low, high, 100)
    for level, style in LEVELS.items():
        slope = limits["bandwidth"][level][threads]
        axes.plot(x, np.minimum(peak, slope * x) / 1e9, color="black", linestyle=style, linewidth=1,
                  label=f"{level}, {slope / 1e9:,.0f} GB/s")  # fmt: skip
    axes.annotate(f"FMA peak {peak / 1e9:,.0f} GFLOP/s", (high, peak / 1e9), xytext=(-2, 4), ha="right",
                  textcoords="offset points", fontsize=8)  # fmt: skip
    for marker, (name, case) in zip(MARKERS, cases.items(), strict=False):
        reached = case["flops"] / seconds(case, "best_of_ours") / 1e9
        axes.plot(intensity[name], reached, marker, color=OURS, label=name)
        if case["best_peer"]:
            peer = case["flops"] / seconds(case, "best_peer") / 1e9
            axes.plot(intensity[name], peer, marker, markerfacecolor="none", color=PEER)
            axes.plot([intensity[name]] * 2, [peer, reached], color=PEER, linewidth=0.5)
    axes.set(xscale="log", yscale="log", title="roofline\n(hollow: the best peer)", ylabel="GFLOP/s",
             xlabel="FLOP per byte that the calls of a step touch")  # fmt: skip
    plain_numbers(axes.xaxis)
    plain_numbers(axes.yaxis, "{:,g}")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, loc="lower right", ncols=2)


def scaling(axes: Axes, cases: dict[str, Any]) -> None:
    """How many times as fast as on one thread."""
    for marker, (name, case) in zip(MARKERS, cases.items(), strict=False):
        fixed = {int(n): timing["median"] for n, timing in case["scaling"].items() if n != DEFAULT}
        if fixed:
            axes.plot(list(fixed), [fixed[1] / value for value in fixed.values()], f"{marker}-", label=name)
    counts = sorted({int(n) for case in cases.values() for n in case["scaling"] if n != DEFAULT}) or [1]
    axes.plot(counts, counts, color="black", linewidth=1, linestyle=":", label="ideal")
    axes.set(title="threads\n(a step of ours within fit)", xlabel="threads", ylabel="times as fast as on one thread")
    axes.set_xticks(counts)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, loc="upper left")


def draw(book: dict[str, Any], path: Path) -> None:
    """Cases without a time of ours are left out."""
    cases = {name: case for name, case in book["train"].items() if case["best_of_ours"]}
    made = figure((16, 6), "backpass: a training step against peers", book)
    left, middle, right = made.subplots(1, 3, width_ratios=(1.2, 1.25, 0.9))
    if cases:
        bars(left, cases)
        roofline(middle, cases, book["limits"], str(book["environment"]["threads"]))
        scaling(right, cases)
    save(made, path)
