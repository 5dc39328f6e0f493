"""`Trainer.step` called from Python against the same steps called from native code."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from backpass import _core

from ..measure import Effort, interleaved, paired
from ..table import Table, microseconds
from ..train.backpass_contender import BackpassStep
from ..train.cases import TIMED_LEARNING_RATE, Problem

CASES = ("tiny-xor", "online", "rl-64", "tabular")


def measure(problem: Problem, effort: Effort) -> dict[str, Any]:
    contender = BackpassStep(problem)
    contender.reset(TIMED_LEARNING_RATE)
    contender.train(1)
    native = contender.trainer._native

    def native_steps(times: int) -> None:
        _core.repeat_step(native, problem.x, problem.y, times)

    timings = interleaved({"native": native_steps, "python": contender.train}, {"native": 1, "python": 1}, effort)
    ratio = paired(timings["python"], timings["native"])
    return {"ratio": ratio, **{name: asdict(timing) for name, timing in timings.items()}}


def table() -> Table:
    return Table("A step from Python", ["case", "native step", "Trainer.step", "overhead"], "Median microseconds.")


def row(name: str, found: dict[str, Any]) -> list[str]:
    times = (microseconds(found[kind]["median"]) for kind in ("native", "python"))
    return [name, *times, f"{found['ratio'] - 1:+.0%}"]
