"""All derivatives by one forward and one backward pass, against one forward for each parameter."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

import backpass as bp

from ..measure import Effort, interleaved, paired
from ..table import Table, microseconds

FEATURES, OUTPUTS, ROWS, STEP = 10, 1, 8, 1e-3
TOLERANCE = 1e-2  # of differences to one side
WIDTHS = {100: 8, 1_000: 83, 10_000: 833, 100_000: 8_333}  # by about how many parameters that makes


class Contest:
    """A network with one hidden layer and a batch; both ways give the gradient of its loss."""

    def __init__(self, width: int) -> None:
        rng = np.random.default_rng(0)
        layers = [bp.Dense(width, activation="tanh"), bp.Dense(OUTPUTS)]
        self.model = bp.Sequential(*layers, input_shape=FEATURES, dtype="float64", seed=0)
        self.x, self.y = rng.standard_normal((ROWS, FEATURES)), rng.standard_normal((ROWS, OUTPUTS))
        self.objective, self.forwards, self.asked = self.model.objective(self.x, self.y, bp.MSE()), 0, 0

    def cost(self) -> float:
        self.forwards += 1
        return float(np.square(self.model.predict(self.x) - self.y).mean())

    def naive(self, times: int) -> np.ndarray:
        """Forward differences."""
        theta, grad = self.model.flat_parameters, np.empty(self.model.n_parameters)
        for _ in range(times):
            before = self.cost()
            for i, kept in enumerate(theta.copy()):
                theta[i] = kept + STEP
                grad[i] = (self.cost() - before) / STEP
                theta[i] = kept
        return grad

    def backprop(self, times: int) -> None:
        """At two points in turns: an objective remembers the last one."""
        points = self.objective.x0, self.objective.x0 + STEP
        for _ in range(times):
            self.asked += 1
            self.objective(points[self.asked % 2])


def measure(width: int, effort: Effort) -> dict[str, Any]:
    contest = Contest(width)
    exact, differences = contest.objective.jac(contest.objective.x0), contest.naive(1)
    error = float(np.linalg.norm(differences - exact) / np.linalg.norm(exact))
    forwards = contest.forwards
    timings = interleaved({"naive": contest.naive, "backprop": contest.backprop}, {"naive": 1, "backprop": 1}, effort)
    return {
        "parameters": contest.model.n_parameters,
        "forwards": forwards,
        "errors": {"naive": error},
        "ratio": paired(timings["naive"], timings["backprop"]),
        **{name: asdict(timing) for name, timing in timings.items()},
    }


def table() -> Table:
    return Table(
        "The gradient: a forward for each parameter against one backward",
        ["parameters", "forwards", "naive", "backprop", "speedup", "10 speedup / N"],
        "Median microseconds. The last column is at least 1 where the speedup grows with a tenth of the parameters.",
    )


def row(found: dict[str, Any]) -> list[str]:
    times = (microseconds(found[kind]["median"]) for kind in ("naive", "backprop"))
    return [
        f"{found['parameters']:,}",
        f"{found['forwards']:,}",
        *times,
        f"{found['ratio']:,.0f}x",
        f"{10 * found['ratio'] / found['parameters']:.1f}",
    ]
