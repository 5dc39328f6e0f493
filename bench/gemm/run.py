"""Matrix products alone: every shape, as it is stored forward and backward, and many at once, in both types."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from ..machine import Limits, peak
from ..measure import Effort, Others, Timing, interleaved
from ..outcome import Outcome, disturbed, is_asked_for
from ..table import SPEEDUP, Table, times_as_fast
from .cases import CASES as ALL
from .cases import QUICK, Case, make_problem
from .contender import CONTENDERS, OURS, REDUCED, load_contender
from .verify import error_of, tolerance

CASES = [*ALL, *dict.fromkeys(name.rpartition("-")[0] for name in ALL)]  # all shapes of a kind have a name, too
PEERS = [name for name in CONTENDERS if name not in OURS]
# Long rounds: for tens of milliseconds after a peer's workers have spun, ours stay off the cores that those used.
FULL, BRIEF = Effort(9, 0.2, 1.5, 5), Effort(3, 0.1, 0.3, 3)


def contenders(options: argparse.Namespace) -> list[str]:
    names = [*OURS]
    for name in PEERS:
        if (options.peers and not is_asked_for(name, options.peers)) or (
            name in REDUCED and options.precision not in REDUCED[name]
        ):
            continue
        try:
            load_contender(name)
            names.append(name)
        except ModuleNotFoundError as error:
            print(f"{name:>15}: left out, no {error.name}")
    return names


def chosen(options: argparse.Namespace) -> list[Case]:
    if options.cases:
        return [case for name, case in ALL.items() if {name, name.rpartition("-")[0]} & {*options.cases}]
    return [ALL[name] for name in (QUICK if options.quick or options.check else ALL)]


def hold(case: Case, names: list[str], options: argparse.Namespace) -> dict[str, Any]:
    """Proves, and times those that are right; without an effort it only proves."""
    problem = make_problem(case, options.threads, options.precision)
    errors, ready = {}, {}
    for name in names:
        contender = load_contender(name)(problem)
        contender.run(2)
        errors[name] = error_of(problem, contender.result())
        if errors[name] <= tolerance(problem):  # false for nan
            ready[name] = contender
    found: dict[str, Any] = {"errors": errors, "wrong": [name for name in names if name not in ready]}
    if options.check:
        return {**found, "timings": {}, "others": 0.0}
    others, runs = Others(), {name: contender.run for name, contender in ready.items()}
    timings = interleaved(runs, dict.fromkeys(runs, 1), BRIEF if options.quick else FULL)
    return {**found, "timings": timings, "others": others.share()}


def best(timings: dict[str, Timing], ours: bool) -> tuple[str, float] | None:
    found = [(timing.median, name) for name, timing in timings.items() if (name in OURS) == ours]
    return min(found)[::-1] if found else None


def cells(case: Case, names: list[str], found: dict[str, Any], limit: float) -> list[str]:
    """GFLOP/s of each, the best peer, our speedup over it, our share of the peak."""
    timings, lines = found["timings"], [case.name]
    for name in names:
        timing = timings.get(name)
        rate = f"{case.flops / timing.median / 1e9:.1f} ±{timing.spread:.0%}" if timing else "equal"
        lines.append("WRONG" if name in found["wrong"] else rate)
    ours, peer = best(timings, True), best(timings, False)
    share = f"{case.flops / ours[1] / limit:.0%}" if ours else "-"
    return [*lines, peer[0] if peer else "-", times_as_fast(peer[1] / ours[1] if ours and peer else None), share]


def as_json(case: Case, found: dict[str, Any]) -> dict[str, Any]:
    timings = found["timings"]
    ours, peer = best(timings, True), best(timings, False)
    return {
        **asdict(case),
        "flops": case.flops,
        "errors": found["errors"],
        "timings": {name: asdict(timing) for name, timing in timings.items()},
        "best_of_ours": ours and ours[0],
        "best_peer": peer and peer[0],
        "speedup": peer[1] / ours[1] if ours and peer else None,
        "others": found["others"],
    }


def run(options: argparse.Namespace, limits: Limits) -> Outcome:
    names = contenders(options)
    columns = ["m x k x n", *names, "best peer", "speedup", "of FMA peak"]
    note = "" if options.check else f"Median GFLOP/s, ± half the distance between the quartiles. {SPEEDUP}"
    table = Table("A matrix product alone", columns, note, first=28).begin()
    data, complaints = {}, []
    for case in chosen(options):
        found = hold(case, names, options)
        data[case.name] = as_json(case, found)
        table.add(*cells(case, names, found, peak(limits, case.dtype, options.threads)))
        complaints += [f"{case.name}: {n} is WRONG: off by {found['errors'][n]:.1e}" for n in found["wrong"]]
    table.end()
    return Outcome(data, [table], complaints, disturbed({name: entry["others"] for name, entry in data.items()}))
