"""Adam's update of a flat block of parameters against the bandwidth of memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from ..machine import Limits, bandwidth
from ..measure import Effort, Run, interleaved
from ..table import SPEEDUP, Table, times_as_fast
from ..train.cases import Array, Case, Problem
from ..train.reference import Optimizer

WIDTHS = (64, 512, 2048)  # of a layer
ARRAYS, BYTES = 4, 28  # parameters, gradients and two moments; read, and three of them written, for each parameter
UPDATES, RATE, TOLERANCE = 3, 1e-3, 1e-3
Update = tuple[Callable[[], object], Callable[[], list[Array]]]  # one update, and the parameters


def case(width: int) -> Case:
    return Case(f"adam-{width}", (width, width), 1, "relu", "mse", "adam")


def gradient(problem: Problem) -> Array:
    size = sum(p.size for p in problem.parameters)
    return np.random.default_rng(0).standard_normal(size, dtype=np.float32)


def backpass(problem: Problem) -> Update:
    from ..train.backpass_contender import BackpassStep

    contender = BackpassStep(problem)
    contender.reset(RATE)
    contender.model.flat_gradients[:] = gradient(problem)
    return lambda: contender.optimizer.step(contender.model), contender.parameters


def numpy(problem: Problem) -> Update:
    from ..train.numpy_contender import NumPy

    contender = NumPy(problem)
    contender.reset(RATE)
    contender.flat_gradient[:] = gradient(problem)
    return contender.adam, contender.parameters


def torch(problem: Problem) -> Update:
    from ..train.torch_by_hand_contender import TorchByHand

    contender = TorchByHand(problem)
    contender.reset(RATE)
    contender.flat_gradient.numpy()[:] = gradient(problem)
    return contender.adam, contender.parameters


UPDATES_OF = {"backpass": backpass, "numpy": numpy, "torch": torch}


def expected(problem: Problem) -> list[Array]:
    parameters = [p.astype(np.float64) for p in problem.parameters]
    flat, ends = gradient(problem).astype(np.float64), np.cumsum([p.size for p in parameters])
    gradients = [flat[end - p.size : end].reshape(p.shape) for p, end in zip(parameters, ends, strict=True)]
    optimizer = Optimizer(problem.case, RATE, parameters, eps_hat=False)
    for _ in range(UPDATES):
        optimizer.step(parameters, gradients)
    return parameters


def error(found: list[Array], right: list[Array], first: tuple[Array, ...]) -> float:
    """Of the change, in norm, of the worst array."""
    changes = [r - f for r, f in zip(right, first, strict=True)]
    return max(float(np.linalg.norm(a - r) / np.linalg.norm(c)) for a, r, c in zip(found, right, changes, strict=True))


def repeated(update: Callable[[], object]) -> Run:
    def run(times: int) -> None:
        for _ in range(times):
            update()

    return run


def measure(problem: Problem, names: list[str], effort: Effort | None) -> dict[str, Any]:
    right, ready, errors = expected(problem), {}, {}
    for name in names:
        update, parameters = UPDATES_OF[name](problem)
        repeated(update)(UPDATES)
        errors[name] = error(parameters(), right, problem.parameters)
        if errors[name] <= TOLERANCE:
            ready[name] = repeated(update)
    timings = interleaved(ready, dict.fromkeys(ready, 1), effort) if effort else {}
    size = sum(p.size for p in problem.parameters)
    return {"parameters": size, "errors": errors, "timings": {n: asdict(t) for n, t in timings.items()}}


def table(names: list[str]) -> Table:
    return Table(
        "Adam's update, GB/s",
        ["parameters", *names, "speedup", "of the triad", "which lies in"],
        f"{BYTES} bytes a parameter, over the median time; the triad runs where the four arrays lie. {SPEEDUP}",
    )


def row(names: list[str], found: dict[str, Any], limits: Limits, threads: int) -> list[str]:
    medians = {name: timing["median"] for name, timing in found["timings"].items()}
    rates = {name: BYTES * found["parameters"] / median for name, median in medians.items()}
    level, limit = bandwidth(limits, ARRAYS * 4 * found["parameters"], threads)
    peers = [median for name, median in medians.items() if name != "backpass"]
    cells = [f"{rates[name] / 1e9:.1f}" if name in rates else "WRONG" for name in names]
    ours = medians.get("backpass")
    share = f"{rates['backpass'] / limit:.0%}" if ours else "-"
    return [
        f"{found['parameters']:,}",
        *cells,
        times_as_fast(min(peers) / ours if ours and peers else None),
        share,
        level,
    ]
