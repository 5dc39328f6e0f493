"""Transformed functions against torch.func and JAX: proven equal, then timed in turns."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict
from importlib.util import find_spec
from typing import Any

import numpy as np

from ..measure import Effort, Others, Run, Timing, interleaved
from ..outcome import Outcome, cases_of, disturbed
from ..table import SPEEDUP, Table, microseconds, times_as_fast
from .cases import CASES, LEFT_OUT, SLOW, Problem, make_problem
from .libraries import LIBRARIES, backpass, leaves
from .programs import program

PEERS = [name for name in LIBRARIES if name != "backpass"]
FULL, BRIEF = Effort(11, 0.05, 3.0, 3), Effort(3, 0.01, 0.3, 3)
TOLERANCE = 1e-4  # of float32 against float64, in norm


def expected(problem: Problem) -> list[np.ndarray]:
    """Ours in float64."""
    return leaves(program(backpass(), make_problem(problem.case, "float64"))())


def error_of(result: list[np.ndarray], right: list[np.ndarray]) -> float:
    """The greatest distance of any array as a part of its norm."""
    if [a.shape for a in result] != [a.shape for a in right]:
        return float("inf")
    distances = [float(np.linalg.norm(a - b) / (np.linalg.norm(b) + 1e-12)) for a, b in zip(result, right, strict=True)]
    return float(np.max(distances))  # which keeps a nan


def repeated(step: Callable[[], Any]) -> Run:
    def run(times: int) -> None:
        for _ in range(times):
            step()

    return run


def hold(problem: Problem, names: list[str], effort: Effort | None) -> dict[str, Any]:
    """Proves, and times those that are right; without an effort it only proves."""
    steps = {name: program(LIBRARIES[name](), problem) for name in names}
    right = expected(problem)
    errors = {name: error_of(leaves(step()), right) for name, step in steps.items()}
    runs = {name: repeated(steps[name]) for name in names if errors[name] <= TOLERANCE}
    found: dict[str, Any] = {"errors": errors, "wrong": [name for name in names if name not in runs]}
    others = Others()
    timings = interleaved(runs, dict.fromkeys(runs, 1), effort) if effort else {}
    return {**found, "timings": timings, "others": others.share() if effort else 0.0, **summary(timings)}


def summary(timings: dict[str, Timing]) -> dict[str, Any]:
    peers = [(timing.median, name) for name, timing in timings.items() if name != "backpass"]
    best = min(peers) if peers else None
    speedup = best[0] / timings["backpass"].median if best and "backpass" in timings else None
    return {"best_peer": best and best[1], "speedup": speedup}


def cells(name: str, names: list[str], found: dict[str, Any]) -> list[str]:
    def cell(of: str) -> str:
        if of not in found["errors"]:
            return "-"
        timing = found["timings"].get(of)
        told = f"{microseconds(timing.median)} ±{timing.spread:.0%}" if timing else "equal"
        return "WRONG" if of in found["wrong"] else told

    return [name, *map(cell, names), found["best_peer"] or "-", times_as_fast(found["speedup"])]


def run(options: argparse.Namespace, _limits: object) -> Outcome:
    asked = [name for name in PEERS if not options.peers or name in options.peers]
    names = ["backpass", *(name for name in asked if find_spec(name))]
    effort = None if options.check else BRIEF if options.quick else FULL
    note = "" if options.check else f"Median microseconds, ± half the distance between the quartiles. {SPEEDUP}"
    outcome = Outcome({}, [Table("Transformed functions", ["case", *names, "best peer", "speedup"], note).begin()])
    for name in cases_of(options, CASES, SLOW):
        found = hold(make_problem(CASES[name]), [n for n in names if n not in LEFT_OUT.get(name, ())], effort)
        outcome.tables[0].add(*cells(name, names, found))
        outcome.complaints += [f"{name}: {n} is WRONG: off by {found['errors'][n]:.1e}" for n in found["wrong"]]
        timings = {contender: asdict(timing) for contender, timing in found["timings"].items()}
        outcome.data[name] = {**found, "timings": timings}
    outcome.tables[0].end()
    outcome.warnings = disturbed({name: entry["others"] for name, entry in outcome.data.items()})
    return outcome
