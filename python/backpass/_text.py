"""Text for people: tables, and strings that show themselves as they are."""

from __future__ import annotations

from collections.abc import Sequence


class Text(str):
    """A string that an interactive session shows as it is printed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns side by side under a header; the last one is aligned to the right."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(_line(line, widths) for line in lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    left = [cell.ljust(width) for cell, width in zip(cells[:-1], widths[:-1], strict=True)]
    return "  ".join([*left, cells[-1].rjust(widths[-1])])
