"""What a task of the benchmark brings home, and how it chooses what to run."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .table import Table

TOLERATED_OTHERS = 0.03  # of the machine


@dataclass
class Outcome:
    data: dict[str, Any]  # for JSON and for pictures
    tables: list[Table]
    complaints: list[str] = field(default_factory=list)  # whatever was not equal to the reference: exit status 1
    warnings: list[str] = field(default_factory=list)


def is_asked_for(name: str, wanted: Iterable[str]) -> bool:
    """A name, or the beginning of one up to a hyphen: torch is torch-eager as well."""
    return any(name == word or name.startswith(f"{word}-") for word in wanted)


def cases_of(options: argparse.Namespace, known: Iterable[str], slow: Iterable[str] = ()) -> list[str]:
    """Those asked for; else all, without the slow ones in a quick run."""
    if options.cases:
        return [name for name in known if name in options.cases]
    return [name for name in known if not (options.quick and name in slow)]


def disturbed(shares: dict[str, float]) -> list[str]:
    """Whether the machine was ours while we timed: the share of other processes, by case."""
    names = [f"{name} ({share:.0%})" for name, share in shares.items() if share > TOLERATED_OTHERS]
    return [f"do not trust: other processes ran during {', '.join(names)}"] if names else []
