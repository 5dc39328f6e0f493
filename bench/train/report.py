"""Results as cells for people and as JSON for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..table import SPEEDUP, Table, microseconds, times_as_fast
from .contest import Entry, Result
from .scaling import DEFAULT, default_against_best


def cell(entry: Entry) -> str:
    if entry.timing:
        return f"{microseconds(entry.timing.median)} ±{entry.timing.spread:.0%}"
    return "failed" if entry.status.startswith("failed") else entry.status


def contest_table(names: list[str], timed: bool) -> Table:
    return Table(
        "A training step: forward, loss, backward, update",
        ["case", *names, "best peer", "speedup"],
        f"Median microseconds of a step, ± half the distance between the quartiles. {SPEEDUP}" if timed else "",
        13,
    )


def contest_row(result: Result, names: list[str]) -> list[str]:
    peer = result.best(ours=False)
    cells = [cell(result.entries[name]) for name in names]
    return [result.case.name, *cells, peer[0] if peer else "-", times_as_fast(result.speedup)]


def scaling_table(counts: list[int]) -> Table:
    threads = [f"{n} thread{'s' if n > 1 else ''}" for n in counts]
    return Table(
        "Threads: a step of ours within fit",
        ["case", *threads, "by default", "speedup"],
        "Median microseconds. The speedup is that of the default over the best fixed number of threads: the median "
        "over the rounds of the ratio within a round.",
    )


def scaling_row(result: Result, counts: list[int]) -> list[str]:
    timings = result.scaling
    cells = [microseconds(timings[name].median) for name in [*map(str, counts), DEFAULT]]
    return [result.case.name, *cells, f"{default_against_best(timings):.2f}x"]


def complaints(results: list[Result]) -> list[str]:
    """Whatever was not equal to the reference."""
    lines = []
    for result in results:
        for name, entry in result.entries.items():
            if entry.status == "WRONG" and entry.proof:
                loss, change = entry.proof.loss_error, entry.proof.change_error
                errors = f"loss off by {loss:.1e}, parameter changes by {change:.1e}"
                lines.append(f"{result.case.name}: {name} is WRONG: {errors}")
            elif entry.status.startswith("failed"):
                lines.append(f"{result.case.name}: {name} {entry.status}")
    return lines


def as_json(results: list[Result]) -> dict[str, Any]:
    """Seconds per step; a speedup above 1 means that backpass was faster than every peer."""
    return {
        result.case.name: {
            "contenders": {name: asdict(entry) for name, entry in result.entries.items()},
            "best_peer": (result.best(ours=False) or [None])[0],
            "best_of_ours": (result.best(ours=True) or [None])[0],
            "speedup": result.speedup,
            "flops": result.flops,
            "bytes": result.bytes,
            "scaling": {name: asdict(timing) for name, timing in result.scaling.items()},
            "others": result.others,
        }
        for result in results
    }
