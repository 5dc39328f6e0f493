"""The picture of transformed functions: how many times as fast as the faster peer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..picture import figure, save, speedup_bars


def draw(book: dict[str, Any], path: Path) -> None:
    cases = {name: case for name, case in book["functions"].items() if case["speedup"] is not None}
    made = figure((9, 2 + 0.4 * len(cases)), "backpass: transformed functions against the faster peer", book)
    axes = made.subplots()
    if cases:
        labels = [case["best_peer"] for case in cases.values()]
        speedup_bars(axes, [*cases], [case["speedup"] for case in cases.values()], labels)
    else:
        axes.axis("off")
    save(made, path)
