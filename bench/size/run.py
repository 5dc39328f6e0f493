"""The cost of a step against its size: where it jumps, where it falls."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from itertools import pairwise
from typing import Any

from ..measure import Effort, Others, Timing, interleaved, paired
from ..outcome import Outcome, disturbed, is_asked_for
from ..table import Table, microseconds
from ..train.cases import make_problem
from ..train.contender import CONTENDERS, REDUCED
from ..train.contest import missing, prove_all
from ..train.scaling import DEFAULT, default_against_best, scale, thread_counts
from .sweeps import LARGEST_CHECKED, LARGEST_QUICK, SWEEPS, THREADS, Sweep, relu, windows

CASES = [*SWEEPS, "threads"]
OURS = "backpass-fit"
PEERS = [name for name in CONTENDERS if not name.startswith("backpass") and name not in REDUCED]
USUAL_PEERS = ("torch-by-hand",)  # to tell what is the machine's from what is ours
FULL, BRIEF = Effort(9, 0.03, 2.0, 5), Effort(3, 0.005, 0.1, 3)
CLIFF = 1.3


def contenders(options: argparse.Namespace) -> list[str]:
    names = [name for name in PEERS if is_asked_for(name, options.peers or USUAL_PEERS)]
    return [OURS, *(name for name in names if name not in missing(names))]


def sizes_of(sweep: Sweep, options: argparse.Namespace) -> tuple[int, ...]:
    largest = LARGEST_CHECKED if options.check else LARGEST_QUICK if options.quick else {}
    return tuple(size for size in sweep.sizes if size <= largest.get(sweep.name, size))


class Swept:
    """One sweep, window by window: seconds of a step by contender and size."""

    def __init__(self, sweep: Sweep, names: list[str], options: argparse.Namespace) -> None:
        self.sweep, self.names, self.options = sweep, names, options
        self.timings: dict[str, dict[int, Timing]] = {name: {} for name in names}
        self.growth: dict[int, float] = {}  # ours, from the size before, timed side by side with it
        self.complaints: list[str] = []

    def measure(self) -> None:
        for window in windows(sizes_of(self.sweep, self.options)):
            runs, calls = {}, {}
            for size in window:
                problem = make_problem(self.sweep.case(size), self.options.threads, self.options.precision)
                entries, ready = prove_all(problem, self.names)
                self.complaints += [
                    f"{problem.case.name}: {n} {e.status}" for n, e in entries.items() if n not in ready
                ]
                runs |= {(name, size): contender.train for name, contender in ready.items()}
                calls |= {(name, size): contender.steps_per_call for name, contender in ready.items()}
            if not self.options.check:
                self.take(interleaved(runs, calls, BRIEF if self.options.quick else FULL))

    def take(self, timings: dict[tuple[str, int], Timing]) -> None:
        for (name, size), timing in timings.items():
            self.timings[name].setdefault(size, timing)
        ours = [(size, timing) for (name, size), timing in timings.items() if name == OURS]
        for (_, before), (size, timing) in pairwise(ours):
            self.growth[size] = paired(timing, before)

    def cliffs(self) -> list[tuple[int, int, float]]:
        """Neighbours where the time grows by over CLIFF times the work, or falls by as much."""
        sizes = [*self.timings[OURS]]
        found = []
        for before, size in pairwise(sizes):
            growth, work = self.growth[size], (size / before) ** self.sweep.work
            if growth > CLIFF * work or growth < 1 / CLIFF:
                found.append((before, size, growth))
        return found


def sweep_table(swept: Swept) -> Table:
    columns = [swept.sweep.name, *swept.names, "from the size before"]
    return Table(f"A step against its {swept.sweep.name}: {swept.sweep.about}", columns, "Median microseconds.")


def fill(table: Table, swept: Swept) -> None:
    table.begin()
    for size in swept.timings[OURS]:
        timings = [swept.timings[name].get(size) for name in swept.names]
        growth = swept.growth.get(size)
        cells = [microseconds(timing.median) if timing else "-" for timing in timings]
        table.add(str(size), *cells, f"x {growth:.2f}" if growth else "-")
    steps = [f"{a} to {b} (x {growth:.2f})" for a, b, growth in swept.cliffs()]
    table.note += f" Beyond {CLIFF} times the work of a neighbour: {', '.join(steps) or 'none'}."
    table.end()


def scaled(options: argparse.Namespace) -> tuple[Table, dict[str, Any]]:
    """The widths of THREADS at every number of threads."""
    counts = thread_counts(options.threads)
    names = [f"{n} thread{'s' if n > 1 else ''}" for n in counts]
    table = Table("A step against threads: 64-w-w-10 on 128 rows", ["width", *names, "by default", "speedup"])
    table.begin()
    data = {}
    for width in THREADS[:2] if options.quick else THREADS:
        case = relu(f"width-{width}", (64, width, width, 10), 128)
        timings = scale(make_problem(case, options.threads, options.precision), BRIEF if options.quick else FULL)
        data[str(width)] = {name: asdict(timing) for name, timing in timings.items()}
        cells = [microseconds(timings[name].median) for name in [*map(str, counts), DEFAULT]]
        table.add(str(width), *cells, f"{default_against_best(timings):.2f}x")
    return table, data


def run(options: argparse.Namespace, _limits: object) -> Outcome:
    names, outcome, shares = contenders(options), Outcome({}, []), {}
    for name in [case for case in CASES if not options.cases or case in options.cases]:
        others = Others()
        if name == "threads":
            if not options.check:
                table, outcome.data[name] = scaled(options)
                outcome.tables.append(table)
        else:
            swept = Swept(SWEEPS[name], names, options)
            swept.measure()
            outcome.complaints += swept.complaints
            if options.check:
                print(f"{name}: {len(sizes_of(swept.sweep, options))} sizes proven")
                continue
            outcome.tables.append(sweep_table(swept))
            fill(outcome.tables[-1], swept)
            outcome.data[name] = {
                "about": SWEEPS[name].about,
                "timings": {n: {str(s): asdict(t) for s, t in by_size.items()} for n, by_size in swept.timings.items()},
                "cliffs": swept.cliffs(),
            }
        if name in outcome.data:
            shares[name] = others.share()
    outcome.warnings = disturbed(shares)
    return outcome
