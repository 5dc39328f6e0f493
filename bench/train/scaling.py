"""One case of ours at each number of threads, and at what backpass chooses by itself: in turns, so that all compare."""

from __future__ import annotations

from dataclasses import replace

from ..measure import Effort, Timing, interleaved, paired
from .backpass_contender import BackpassFit
from .cases import TIMED_LEARNING_RATE, Problem

DEFAULT = "default"


def thread_counts(threads: int) -> list[int]:
    """1, 2, 4, ... and the last."""
    doubled = [1 << i for i in range(threads.bit_length()) if 1 << i < threads]
    return [*doubled, threads]


def scale(problem: Problem, effort: Effort) -> dict[str, Timing]:
    """Seconds of a step within `fit`, by threads."""
    assert problem.threads
    wanted: dict[str, int | None] = {str(n): n for n in thread_counts(problem.threads)}
    contenders = {name: BackpassFit(replace(problem, threads=n)) for name, n in {**wanted, DEFAULT: None}.items()}
    for contender in contenders.values():
        contender.reset(TIMED_LEARNING_RATE)
    runs = {name: contender.train for name, contender in contenders.items()}
    return interleaved(runs, {name: contender.steps_per_call for name, contender in contenders.items()}, effort)


def default_against_best(timings: dict[str, Timing]) -> float:
    """How many times as fast the default is as the best fixed number of threads, paired."""
    best = min((timing for name, timing in timings.items() if name != DEFAULT), key=lambda timing: timing.median)
    return paired(best, timings[DEFAULT])
