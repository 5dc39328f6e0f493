"""Timing that is fair between libraries: equal threads, interleaved rounds, medians with their spread."""

from __future__ import annotations

import gc
import os
import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

Run = Callable[[int], object]  # does that many steps

# Idle workers of a library spin for a while after its last call: those of OpenBLAS for 2^26 to 2^28 cycles.
SETTLE_SECONDS, LONGEST_SETTLING = 0.01, 0.5


def limit_threads(threads: int) -> None:
    """Holds every library to `threads` threads. To be called before any of them is imported."""
    for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR"):
        os.environ[f"{name}_NUM_THREADS"] = str(threads)
    os.environ["NPROC"] = str(threads)  # the size of XLA's thread pool
    flags = f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'}"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    if hasattr(os, "sched_setaffinity"):
        cpus = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cpus[:threads])


@dataclass(frozen=True)
class Effort:
    """How much measuring one contest gets."""

    rounds: int = 15
    round_seconds: float = 0.06  # one contender's share of a round
    budget_seconds: float = 6.0  # one contender's share of a contest, where its steps are long
    fewest_rounds: int = 5


QUICK = Effort(rounds=3, round_seconds=0.01, budget_seconds=0.2, fewest_rounds=3)


@dataclass(frozen=True)
class Timing:
    """Seconds per step, over the rounds."""

    median: float
    lower: float  # quartile
    upper: float  # quartile
    rounds: int
    steps: int  # in a round
    samples: tuple[float, ...]  # by round: those of one round were taken side by side

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles, as a part of the median."""
        return (self.upper - self.lower) / 2 / self.median


def paired(one: Timing, other: Timing) -> float:
    """How long the one takes as a part of the other: the median over the rounds, so that a slow round counts once."""
    return statistics.median(a / b for a, b in zip(one.samples, other.samples, strict=False))


class Others:
    """How much of the machine other processes took meanwhile: the figures are worth as much as it was quiet."""

    def __init__(self) -> None:
        self.start, self.taken = time.perf_counter(), self.cpu_seconds()

    @staticmethod
    def cpu_seconds() -> float:
        """Of all processes but this one, since boot."""
        path = Path("/proc/stat")
        if not path.exists():
            return 0.0
        user, nice, system, _idle, _wait, *rest = map(int, path.read_text().partition("\n")[0].split()[1:9])
        own = os.times()
        return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK") - own.user - own.system

    def share(self) -> float:
        """Of the time of all CPUs."""
        elapsed = (time.perf_counter() - self.start) * (os.cpu_count() or 1)
        return max(0.0, self.cpu_seconds() - self.taken) / elapsed


def seconds_of(run: Run, steps: int) -> float:
    start = time.perf_counter()
    run(steps)
    return time.perf_counter() - start


def settle() -> None:
    """Waits until the last contender's workers sleep: until this process uses no core, half a second at most."""
    given_up = time.perf_counter() + LONGEST_SETTLING
    while time.perf_counter() < given_up:
        used, start = time.process_time(), time.perf_counter()
        time.sleep(SETTLE_SECONDS)
        if time.process_time() - used < 0.1 * (time.perf_counter() - start):
            return


def steps_for(run: Run, seconds: float, steps_per_call: int) -> int:
    """How many steps, in whole calls, fill the time."""
    run(steps_per_call)  # compiles what is compiled at first use
    calls = 1
    while True:
        taken = seconds_of(run, calls * steps_per_call)
        if taken >= seconds / 4:
            return max(1, round(calls * seconds / taken)) * steps_per_call
        calls *= 4


def timing(samples: list[float], steps: int) -> Timing:
    lower, median, upper = statistics.quantiles(samples, n=4, method="inclusive")
    return Timing(median, lower, upper, len(samples), steps, tuple(samples))


def interleaved(runs: Mapping[str, Run], steps_per_call: Mapping[str, int], effort: Effort) -> dict[str, Timing]:
    """Times all contenders in rounds, each round in a new order, so that what disturbs the machine hits all alike."""
    steps = {name: steps_for(run, effort.round_seconds, steps_per_call[name]) for name, run in runs.items()}
    samples: dict[str, list[float]] = {name: [] for name in runs}
    spent = dict.fromkeys(runs, 0.0)
    order, shuffler = list(runs), random.Random(0)
    gc.collect()
    gc.disable()
    try:
        for _ in range(effort.rounds):
            shuffler.shuffle(order)
            for name in order:
                if len(samples[name]) >= effort.fewest_rounds and spent[name] > effort.budget_seconds:
                    continue
                settle()
                if calls := steps[name] // steps_per_call[name] // 4:
                    runs[name](calls * steps_per_call[name])  # wakes cores and workers, which takes milliseconds
                taken = seconds_of(runs[name], steps[name])
                spent[name] += taken
                samples[name].append(taken / steps[name])
    finally:
        gc.enable()
    return {name: timing(samples[name], steps[name]) for name in runs}
