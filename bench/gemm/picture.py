"""The picture of products alone: GFLOP/s by shape, storage and type."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from ..picture import figure, save
from ..table import is_lost
from .cases import STORAGES
from .contender import OURS

ABOUT = {
    "forward": "forward, $X W^T$",
    "dX": "$dX = dZ\\,W$",
    "dW": "$dW = dZ^T X$",
    "many": "many at once",
    "many-bT": "many at once, $A B^T$",
    "many-aT": "many at once, $A^T B$",
}
COLORS = {
    "backpass": "tab:blue",
    "numpy": "tab:orange",
    "torch": "tab:green",
    "reduced": "tab:olive",
    "bf16": "tab:pink",
}


def rates(case: dict[str, Any]) -> dict[str, float]:
    """GFLOP/s; the better of ours as one."""
    timings = {name: timing["median"] for name, timing in case["timings"].items()}
    ours = min(seconds for name, seconds in timings.items() if name in OURS)
    fastest = {"backpass": ours, **{name: s for name, s in timings.items() if name not in OURS}}
    return {name: case["flops"] / seconds / 1e9 for name, seconds in fastest.items()}


def panel(axes: Axes, cases: list[dict[str, Any]], peak: float) -> None:
    found = [rates(case) for case in cases]
    names = list(dict.fromkeys(name for one in found for name in one))
    height = 0.8 / len(names)
    for i, name in enumerate(names):
        places = [place + (i - (len(names) - 1) / 2) * height for place in range(len(cases))]
        axes.barh(places, [one.get(name, 0) for one in found], height, label=name, color=COLORS[name.split("-")[-1]])
    axes.axvline(peak / 1e9, color="black", linewidth=1, linestyle="--", label="FMA peak")
    lost = [is_lost(one["backpass"] / max(one.values())) for one in found]
    shapes = [f"{case['m']}, {case['k']}, {case['n']}" for case in cases]
    counts = [f"{case['products']} of " if case["storage"].startswith("many") else "" for case in cases]
    labels = [count + shape + " lost" * one for count, shape, one in zip(counts, shapes, lost, strict=True)]
    axes.set(yticks=range(len(cases)), yticklabels=labels, ylim=(len(cases) - 0.4, -0.6), xlabel="GFLOP/s")
    for tick, label in zip(axes.get_yticklabels(), labels, strict=True):
        tick.set(fontsize=8, color="tab:red" if label.endswith("lost") else "black")
    axes.grid(axis="x", alpha=0.3)


def draw(book: dict[str, Any], path: Path) -> None:
    cases = [case for case in book["gemm"].values() if case["best_of_ours"]]
    dtypes = list(dict.fromkeys(case["dtype"] for case in cases)) or ["float32"]
    rows = max(len([case for case in cases if (case["dtype"], case["storage"]) == kind])
               for kind in {(case["dtype"], case["storage"]) for case in cases} or {("", "")})  # fmt: skip
    height = 1.6 + 0.42 * max(rows, 3)
    made = figure((5 * len(STORAGES), height * len(dtypes)), "backpass: a matrix product alone (m, k, n)", book)
    grid = made.subplots(len(dtypes), len(STORAGES), squeeze=False)
    threads = str(book["environment"]["threads"])
    for line, dtype in zip(grid, dtypes, strict=True):
        for axes, storage in zip(line, STORAGES, strict=True):
            chosen = [case for case in cases if case["dtype"] == dtype and case["storage"] == storage]
            axes.set_title(f"{ABOUT[storage]}, {dtype}", fontsize=10)
            if not chosen:
                axes.axis("off")
            else:
                panel(axes, chosen, book["limits"]["fma"][dtype][threads])
    handles, labels = next((found for axes in grid.flat if (found := axes.get_legend_handles_labels())[0]), ([], []))
    made.legend(handles, labels, loc="outside lower center", ncols=len(labels) or 1, fontsize=9)
    save(made, path)
