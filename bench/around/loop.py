"""All rows in one call against a loop over rows."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

import backpass as bp

from ..measure import Effort, interleaved, paired
from ..table import Table, microseconds

KINDS, ROWS, FEATURES = ("predict", "value_and_grad", "fit"), 1_000, 20


def measure(kind: str, effort: Effort) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((ROWS, FEATURES), np.float32), rng.standard_normal((ROWS, 1), np.float32)
    model = bp.Sequential(bp.Dense(32, activation="relu"), bp.Dense(1), input_shape=FEATURES, seed=0)
    loss, trainer = bp.MSE(), bp.Trainer(model, bp.MSE(), bp.SGD(1e-9))

    def run(first: int, last: int) -> None:
        rows, targets = x[first:last], y[first:last]
        if kind == "predict":
            model.predict(rows)
        elif kind == "value_and_grad":
            model.value_and_grad(rows, targets, loss)
        else:
            trainer.fit(rows, targets, epochs=1, batch_size=ROWS, shuffle=False, progress=False)

    def at_once(times: int) -> None:
        for _ in range(times):
            run(0, ROWS)

    def in_a_loop(times: int) -> None:
        for _ in range(times):
            for i in range(ROWS):
                run(i, i + 1)

    timings = interleaved({"loop": in_a_loop, "vector": at_once}, {"loop": 1, "vector": 1}, effort)
    ratio = paired(timings["loop"], timings["vector"])
    return {"ratio": ratio, **{name: asdict(timing) for name, timing in timings.items()}}


def table() -> Table:
    return Table(
        f"All of {ROWS:,} rows at once against a loop over rows",
        ["call", "loop", "vector", "speedup"],
        "Median microseconds; 20-32-1 in float32.",
    )


def row(kind: str, found: dict[str, Any]) -> list[str]:
    return [kind, *(microseconds(found[name]["median"]) for name in ("loop", "vector")), f"{found['ratio']:.0f}x"]
