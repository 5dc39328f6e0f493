"""Results as a table for people and as JSON for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from bench.train.contest import Entry, Result

TOLERATED_OTHERS = 0.03  # of the machine


def microseconds(seconds: float) -> str:
    value = seconds * 1e6
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def cell(entry: Entry) -> str:
    if entry.timing:
        return f"{microseconds(entry.timing.median)} ±{entry.timing.spread:.0%}"
    return "failed" if entry.status.startswith("failed") else entry.status


def columns(cells: list[str], names: list[str]) -> str:
    widths = [11, *(max(13, len(name)) for name in names), 13, 15]
    return "  ".join(text.rjust(width) for text, width in zip(cells, widths, strict=True))


def header(names: list[str]) -> str:
    line = columns(["case", *names, "best peer", "backpass / best"], names)
    return f"{line}\n{'-' * len(line)}"


def row(result: Result, names: list[str]) -> str:
    """Median microseconds of a step, ± half the distance between the quartiles."""
    peer, ratio = result.best(ours=False), result.ratio
    cells = [cell(result.entries[name]) for name in names]
    return columns([result.case.name, *cells, peer[0] if peer else "-", f"{ratio:.2f}" if ratio else "-"], names)


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


def warnings(results: list[Result]) -> list[str]:
    """Whether the machine was ours while we timed."""
    timed = [result for result in results if any(entry.timing for entry in result.entries.values())]
    disturbed = [f"{r.case.name} ({r.others:.0%})" for r in timed if r.others > TOLERATED_OTHERS]
    return [f"do not trust: other processes ran during {', '.join(disturbed)}"] if disturbed else []


def as_json(results: list[Result], environment: dict[str, object]) -> dict[str, Any]:
    """Seconds per step; a ratio below 1 means that backpass was faster than every peer."""
    cases = {
        result.case.name: {
            "contenders": {name: asdict(entry) for name, entry in result.entries.items()},
            "best_peer": (result.best(ours=False) or [None])[0],
            "ratio": result.ratio,
            "others": result.others,
        }
        for result in results
    }
    return {"environment": environment, "cases": cases}
