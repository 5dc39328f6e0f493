"""What lies around the arithmetic, part by part."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

from ..machine import Limits
from ..measure import Effort, Others
from ..outcome import Outcome, disturbed, is_asked_for
from ..table import Table
from ..train.cases import CASES as NETWORKS
from ..train.cases import SLOW, make_problem
from ..train.contest import missing
from . import loop, memory, naive, overhead, phases, predict, share, update, validation

CASES = ["share", "overhead", "validation", "predict", "update", "memory", "naive", "phases", "loop"]
PEERS = ["numpy", "torch", "jax", "sklearn"]
FULL, BRIEF = Effort(15, 0.04, 3.0, 5), Effort(3, 0.01, 0.2, 3)


class Around:
    """One run: what was asked for, and what was found so far."""

    def __init__(self, options: argparse.Namespace, limits: Limits) -> None:
        self.options, self.limits = options, limits
        self.effort = None if options.check else BRIEF if options.quick else FULL
        self.outcome = Outcome({}, [])

    def peers(self, known: Iterable[str]) -> list[str]:
        """Ours, and the peers asked for that are installed."""
        wanted = self.options.peers or PEERS
        return [name for name in known if name == "backpass" or (name in wanted and find_spec(name))]

    def begin(self, table: Table) -> Table:
        self.outcome.tables.append(table)
        return table.begin()

    def ours(self, part: Any, names: Iterable[str]) -> dict[str, Any]:
        """A part that times us alone, on some of the networks."""
        table, data = self.begin(part.table()), {}
        for name in names:
            problem = make_problem(NETWORKS[name], self.options.threads, self.options.precision)
            data[name] = part.measure(problem, self.effort)
            table.add(*part.row(name, data[name]))
        table.end()
        return data

    def share(self) -> dict[str, Any]:
        return self.ours(share, [name for name in NETWORKS if not (self.options.quick and name in SLOW)])

    def overhead(self) -> dict[str, Any]:
        return self.ours(overhead, overhead.CASES)

    def validation(self) -> dict[str, Any]:
        return self.ours(validation, validation.CASES)

    def predict(self) -> dict[str, Any]:
        names, data = self.peers(predict.PREDICTORS), {}
        table = self.begin(predict.table(names)) if self.effort else None
        for rows in (1, 1000) if self.options.check else (1, 10_000) if self.options.quick else (1, 100_000):
            for problem in predict.problems(predict.CASES, rows, self.options.threads, self.options.precision):
                label = f"{problem.case.name}, {rows:,}"
                data[label] = self.proven(label, predict.measure(problem, names, self.effort))
                if table:
                    table.add(*predict.row(label, names, data[label]))
        return data

    def update(self) -> dict[str, Any]:
        names, data = self.peers(update.UPDATES_OF), {}
        table = self.begin(update.table(names)) if self.effort else None
        for width in update.WIDTHS[:2] if self.options.check else update.WIDTHS:
            problem = make_problem(update.case(width), self.options.threads)
            data[str(width)] = self.proven(f"update of {width}", update.measure(problem, names, self.effort))
            if table:
                table.add(*update.row(names, data[str(width)], self.limits, self.options.threads))
        return data

    def memory(self) -> dict[str, Any]:
        wanted = [n for n in memory.CONTENDERS if is_asked_for(n, ["backpass", *(self.options.peers or PEERS)])]
        table, data = self.begin(memory.table()), {}
        for name in (name for name in wanted if name not in missing(wanted)):
            data[name] = memory.measure(name, self.options.threads)
            table.add(*memory.row(name, data[name]))
        return data

    def naive(self) -> dict[str, Any]:
        table, data = self.begin(naive.table()), {}
        for width in [*naive.WIDTHS.values()][: 3 if self.options.quick else None]:
            data[str(width)] = self.proven(f"naive {width}", naive.measure(width, self.effort))
            table.add(*naive.row(data[str(width)]))
        table.end()
        return data

    def phases(self) -> dict[str, Any]:
        table, data = self.begin(phases.table()), {}
        for width in phases.WIDTHS[: 3 if self.options.quick else None]:
            data[str(width)] = phases.measure(width, self.effort.rounds)
            table.add(*phases.row(width, data[str(width)]))
        data["slope"] = phases.slope([*data.values()])
        table.note += f" Time grows with the parameters to the power {data['slope']:.2f}."
        table.end()
        return data

    def loop(self) -> dict[str, Any]:
        table, data = self.begin(loop.table()), {}
        for kind in loop.KINDS:
            data[kind] = loop.measure(kind, self.effort)
            table.add(*loop.row(kind, data[kind]))
        table.end()
        return data

    def proven(self, label: str, found: dict[str, Any]) -> dict[str, Any]:
        """Complains of contenders that computed something else: those were not timed."""
        known = {"update": update.TOLERANCE, "naive": naive.TOLERANCE}
        tolerance = known.get(label.partition(" ")[0], predict.PRECISE[self.options.precision])
        wrong = [f"{label}: {n} is WRONG: off by {e:.1e}" for n, e in found["errors"].items() if not e <= tolerance]
        self.outcome.complaints += wrong
        return found


def run(options: argparse.Namespace, limits: Limits) -> Outcome:
    around, shares = Around(options, limits), {}
    proofs = ("predict", "update")
    for name in CASES:
        if (options.cases and name not in options.cases) or (options.check and name not in proofs):
            continue
        others = Others()
        around.outcome.data[name] = getattr(around, name)()
        if around.effort and name != "memory":  # whose processes are ours, too
            shares[name] = others.share()
    around.outcome.warnings = disturbed(shares)
    return around.outcome
