"""What of a step within `fit` is not arithmetic of the network: the loss, shuffling and gathering, metrics."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..measure import Effort, interleaved, paired
from ..table import Table, microseconds
from ..train.backpass_contender import BackpassFit
from ..train.cases import TIMED_LEARNING_RATE, Array, Problem

LIMIT, FROM_SECONDS = 0.05, 20e-6
METRICS = {"cross_entropy": "accuracy", "mse": "mae"}


class Fit(BackpassFit):
    """As in the contest, but shuffled or with a metric."""

    def __init__(self, problem: Problem, **options: Any) -> None:
        super().__init__(problem)
        self.options = options
        self.reset(TIMED_LEARNING_RATE)

    def fit(self, x: Array, y: Array) -> None:
        options = {"shuffle": False, **self.options}
        self.trainer.fit(x, y, batch_size=self.case.batch, progress=False, **options)


def share_of_the_loss(fit: Fit) -> float:
    """Of the calls of one step on one thread, as far as it has calls of its own."""
    calls = fit.trainer.profile(fit.case.batch, repeats=20).calls
    loss = sum(call.milliseconds for call in calls if call.phase == "loss")
    return loss / sum(call.milliseconds for call in calls)


def measure(problem: Problem, effort: Effort) -> dict[str, Any]:
    fits = {
        "plain": Fit(problem),
        "shuffle": Fit(problem, shuffle=True, seed=0),
        "metrics": Fit(problem, metrics=[METRICS[problem.case.loss]]),
    }
    runs = {name: fit.train for name, fit in fits.items()}
    timings = interleaved(runs, {name: fit.steps_per_call for name, fit in fits.items()}, effort)
    extra = {name: paired(timings[name], timings["plain"]) - 1 for name in ("shuffle", "metrics")}
    parts = {"loss": share_of_the_loss(fits["plain"]), **extra}
    return {"parts": parts, "timings": {name: asdict(timing) for name, timing in timings.items()}}


def table() -> Table:
    return Table(
        "Around the arithmetic: parts of a step within fit",
        ["case", "step", "loss", "shuffling", "metric", "together"],
        "Microseconds, and parts of them. Loss: calls of the plan on one thread. Shuffling, with the gathering that "
        "rows in order need not, and a metric: what they add, the median within rounds. "
        f"Over {LIMIT:.0%} of a step of over 20 microseconds is marked.",
    )


def row(name: str, found: dict[str, Any]) -> list[str]:
    seconds, parts = found["timings"]["plain"]["median"], found["parts"]
    together = sum(max(0.0, part) for part in parts.values())
    mark = " over" if together > LIMIT and seconds > FROM_SECONDS else ""
    return [name, microseconds(seconds), *(f"{part:.1%}" for part in parts.values()), f"{together:.1%}{mark}"]
