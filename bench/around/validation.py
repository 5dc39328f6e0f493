"""A loss over held-out rows against the prediction that it needs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from ..measure import Effort, interleaved, paired
from ..table import Table, microseconds
from ..train.backpass_contender import BackpassStep
from ..train.cases import TIMED_LEARNING_RATE, Problem

CASES = ("rl-256", "tabular", "mnist-mid", "autoencoder")
ROWS = 8192


def measure(problem: Problem, effort: Effort) -> dict[str, Any]:
    contender = BackpassStep(problem)
    contender.reset(TIMED_LEARNING_RATE)
    times = ROWS // problem.case.batch
    x = np.tile(problem.x, (times, 1))
    y = np.tile(problem.y, (times,) + (1,) * (problem.y.ndim - 1))

    def validate(count: int) -> None:
        for _ in range(count):
            contender.trainer.evaluate(x, y)

    def predict(count: int) -> None:
        for _ in range(count):
            contender.model.predict(x)

    timings = interleaved({"validate": validate, "predict": predict}, {"validate": 1, "predict": 1}, effort)
    ratio = paired(timings["validate"], timings["predict"])
    return {"ratio": ratio, **{name: asdict(timing) for name, timing in timings.items()}}


def table() -> Table:
    title = f"Validation on {ROWS:,} rows against prediction"
    return Table(title, ["case", "evaluate", "predict", "overhead"], "Median microseconds.")


def row(name: str, found: dict[str, Any]) -> list[str]:
    times = (microseconds(found[kind]["median"]) for kind in ("validate", "predict"))
    return [name, *times, f"{found['ratio'] - 1:+.0%}"]
