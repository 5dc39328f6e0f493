"""The contest: one training step of twelve networks, backpass against what else one could use."""

from __future__ import annotations

import argparse

from ..measure import QUICK, Effort
from ..outcome import Outcome, cases_of, disturbed, is_asked_for
from . import report
from .cases import CASES, SLOW, make_problem
from .contender import CONTENDERS, OURS, REDUCED
from .contest import Result, hold, missing

PEERS = [name for name in CONTENDERS if name not in OURS]


def contenders(options: argparse.Namespace) -> list[str]:
    """Ours, and the peers asked for that are installed; tells which are not."""
    names = [name for name in PEERS if not options.peers or is_asked_for(name, options.peers)]
    names = [name for name in names if name not in REDUCED or options.precision in REDUCED[name]]
    if options.quick and "torch-compile" not in (options.peers or ()):
        names = [name for name in names if not is_asked_for(name, ["torch-compile"])]
    absent = missing(names)
    for name, reason in absent.items():
        print(f"{name:>15}: left out, {reason}")
    return [*OURS, *(name for name in names if name not in absent)]


def too_slow(results: list[Result], limit: float | None) -> list[str]:
    slow = [result.case.name for result in results if limit and result.speedup and 1 / result.speedup > limit]
    return [f"slower than {limit} times the best peer: {', '.join(slow)}"] if slow else []


def run(options: argparse.Namespace, _limits: object) -> Outcome:
    from .scaling import scale, thread_counts

    names, counts = contenders(options), thread_counts(options.threads)
    effort = None if options.check else QUICK if options.quick else Effort()
    tables = [report.contest_table(names, effort is not None).begin(), report.scaling_table(counts)]
    results = []
    for name in cases_of(options, CASES, SLOW):
        problem = make_problem(CASES[name], options.threads, options.precision)
        results.append(hold(problem, names, effort))
        tables[0].add(*report.contest_row(results[-1], names))
    tables[0].end()
    if effort:
        tables[1].begin()
        for result in results:
            result.scaling = scale(make_problem(result.case, options.threads, options.precision), effort)
            tables[1].add(*report.scaling_row(result, counts))
        tables[1].end()
    complaints = [*report.complaints(results), *too_slow(results, options.max_ratio)]
    others = {result.case.name: result.others for result in results}
    return Outcome(report.as_json(results), tables, complaints, disturbed(others))
