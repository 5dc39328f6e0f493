"""Beside busy processes: our loops against themselves on one thread, and against peers."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass, field
from typing import Any

from ..measure import Effort, Timing, interleaved, paired
from ..outcome import Outcome, cases_of, is_asked_for
from ..table import SPEEDUP, Table, microseconds, times_as_fast
from ..train.cases import CASES, SLOW, Problem, make_problem
from ..train.contender import Contender
from ..train.contest import missing, prove_all
from ..train.verify import Reference, prove
from .load import busy
from .loops import LOOPS, loop

PEERS = ["torch-eager", "torch-by-hand", "jax-jit", "jax-scan"]
NEIGHBOURS = (1, 2)
LEAST = 0.77  # of the speed on one thread
# Rounds of many time slices: a round is either lucky or not, and the mean within it is what a user waits for.
FULL, BRIEF = Effort(9, 0.2, 4.0, 5), Effort(3, 0.05, 0.3, 3)


@dataclass
class Found:
    """One case beside so many processes."""

    loops: dict[str, tuple[Timing, Timing]] = field(default_factory=dict)  # at all threads, at one
    peers: dict[str, Timing] = field(default_factory=dict)

    def speedups(self) -> dict[str, float]:
        """How many times as fast each loop is as itself on one thread."""
        return {name: paired(one, many) for name, (many, one) in self.loops.items()}

    def best_peer(self) -> tuple[str, float] | None:
        medians = [(timing.median, name) for name, timing in self.peers.items()]
        return (min(medians)[1], min(medians)[0]) if medians else None

    def against_peers(self) -> float | None:
        """How many times as fast the faster of step and fit is as the fastest peer."""
        best = self.best_peer()
        ours = [self.loops[name][0].median for name in ("step", "fit") if name in self.loops]
        return best[1] / min(ours) if best and ours else None

    def as_json(self) -> dict[str, Any]:
        loops = {name: {"threads": asdict(many), "one": asdict(one)} for name, (many, one) in self.loops.items()}
        peers = {name: asdict(timing) for name, timing in self.peers.items()}
        return {"speedups": self.speedups(), "against_best": self.against_peers(), "loops": loops, "peers": peers}


def measure(problem: Problem, peers: dict[str, Contender], neighbours: int, effort: Effort) -> Found:
    """Everything takes turns, beside the same processes."""
    loops = {(name, n): loop(name, problem, n) for name in LOOPS for n in (problem.threads or 1, 1)}
    named: dict[str, Contender] = {f"{name} {n}": contender for (name, n), contender in loops.items()} | peers
    with busy(neighbours):
        timings = interleaved(
            {name: contender.train for name, contender in named.items()},
            {name: contender.steps_per_call for name, contender in named.items()},
            effort,
        )
    many = problem.threads or 1
    return Found(
        {name: (timings[f"{name} {many}"], timings[f"{name} 1"]) for name in LOOPS},
        {name: timings[name] for name in peers},
    )


def prove_all_of(problem: Problem, peers: list[str]) -> tuple[dict[str, Contender], list[str]]:
    """The peers that compute what the reference computes; complaints of all that do not."""
    entries, ready = prove_all(problem, peers)
    statuses = {name: entry.status for name, entry in entries.items()}
    expected = Reference.of(problem, eps_hat=False)
    for name, kind in LOOPS.items():
        if name != "predict":  # which does not train
            statuses[name] = "equal" if prove(kind(problem), expected).holds else "WRONG"
    print(f"{problem.case.name:>16}: {', '.join(f'{name} {status}' for name, status in statuses.items())}", flush=True)
    return ready, [f"{problem.case.name}: {name} {status}" for name, status in statuses.items() if status != "equal"]


def table(neighbours: int) -> Table:
    beside = f"{neighbours} busy process{'es' if neighbours > 1 else ''}"
    return Table(
        f"Beside {beside}",
        ["case", "step on one", *LOOPS, "best peer", "its step", "speedup"],
        "Step on one thread, and of the best peer, in microseconds. Each loop at all threads: how many times as fast "
        f"as itself on one thread, the median within rounds; below {LEAST}x is marked. {SPEEDUP}",
        width=13,
    )


def row(name: str, found: Found) -> list[str]:
    best = found.best_peer()
    marked = (f"{ratio:.2f}x" + " slow" * (round(ratio, 2) < LEAST) for ratio in found.speedups().values())
    peer = (best[0], microseconds(best[1])) if best else ("-", "-")
    return [name, microseconds(found.loops["step"][1].median), *marked, *peer, times_as_fast(found.against_peers())]


def run(options: argparse.Namespace, _limits: object) -> Outcome:
    wanted = [name for name in PEERS if not options.peers or is_asked_for(name, options.peers)]
    peers = [name for name in wanted if name not in missing(wanted)]
    effort = BRIEF if options.quick else FULL
    problems = [make_problem(CASES[name], options.threads) for name in cases_of(options, CASES, SLOW)]
    outcome, ready = Outcome({}, []), {}
    for problem in problems:
        ready[problem.case.name], complaints = prove_all_of(problem, peers)
        outcome.complaints += complaints
        outcome.data[problem.case.name] = {}
    for neighbours in () if options.check else NEIGHBOURS:
        outcome.tables.append(table(neighbours).begin())
        for problem in problems:
            found = measure(problem, ready[problem.case.name], neighbours, effort)
            outcome.data[problem.case.name][str(neighbours)] = found.as_json()
            outcome.tables[-1].add(*row(problem.case.name, found))
        outcome.tables[-1].end()
    return outcome
