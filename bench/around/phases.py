"""Backward against forward, and both against the number of parameters: calls of the plan on one thread."""

from __future__ import annotations

from statistics import median
from typing import Any

import numpy as np

import backpass as bp

from ..table import Table, microseconds

WIDTHS, DEPTH, ROWS = (128, 256, 512, 1_024, 2_048), 4, 256


def measure(width: int, repeats: int) -> dict[str, Any]:
    layers = [bp.Dense(width, activation="relu") for _ in range(DEPTH)]
    trainer = bp.Trainer(bp.Sequential(*layers, input_shape=width, seed=0), bp.MSE(), bp.SGD(1e-9))
    phases: dict[str, list[float]] = {"forward": [], "backward": []}
    for _ in range(repeats):
        calls = trainer.profile(ROWS, repeats=1).calls
        for phase, seconds in phases.items():
            seconds.append(sum(call.milliseconds for call in calls if call.phase == phase) / 1e3)
    flops = {phase: sum(call.flops for call in calls if call.phase == phase) for phase in phases}
    return {
        "parameters": trainer.model.n_parameters,
        **{phase: median(seconds) for phase, seconds in phases.items()},
        "ratio": median(b / f for f, b in zip(*phases.values(), strict=True)),
        "flops": flops["backward"] / flops["forward"],
    }


def slope(found: list[dict[str, Any]]) -> float:
    """Of the time against the number of parameters, both as logarithms: 1 where the cost is linear."""
    seconds = [one["forward"] + one["backward"] for one in found]
    return float(np.polyfit(np.log([one["parameters"] for one in found]), np.log(seconds), 1)[0])


def table() -> Table:
    return Table(
        f"Backward against forward: {DEPTH} layers, {ROWS} rows",
        ["width", "parameters", "forward", "backward", "backward / forward", "in FLOPs"],
        "Median microseconds on one thread; ratios within rounds.",
    )


def row(width: int, found: dict[str, Any]) -> list[str]:
    times = (microseconds(found[phase]) for phase in ("forward", "backward"))
    return [f"{width:,}", f"{found['parameters']:,}", *times, f"{found['ratio']:.2f}", f"{found['flops']:.2f}"]
