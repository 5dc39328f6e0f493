"""Docstrings: every class says its own parameters and attributes, and an estimator those of its bases, too."""

from __future__ import annotations

import inspect
import re
from typing import TypeVar

T = TypeVar("T", bound=type)


def documented(cls: T) -> T:
    """Adds the parameters and attributes of the bases in this package to the docstring of an estimator."""
    ours = [base for base in cls.__mro__ if base.__module__.startswith(__package__ or "backpass.sklearn")]
    parts = [_sections(base.__doc__ or "") for base in ours]
    text = parts[0].pop("")
    for section in ("Args", "Attributes"):
        text += f"\n{section}:\n" + "".join(part[section] for part in parts if section in part) + "\n"
    cls.__doc__ = text + "Example:\n" + parts[0]["Example"]
    return cls


def _sections(doc: str) -> dict[str, str]:
    """What a docstring has before its sections, by "", and each of them by its name."""
    pieces = re.split(r"^(Args|Attributes|Example):\n", inspect.cleandoc(doc), flags=re.MULTILINE)
    bodies = zip(["", *pieces[1::2]], pieces[0::2], strict=True)
    return {name: body.rstrip() + "\n" for name, body in bodies}
