"""Text for people: tables, and strings that show themselves as they are."""

from __future__ import annotations

from collections.abc import Sequence


class Text(str):
    """A string that an interactive session shows as it is printed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 1) -> str:
    """Columns side by side under a header; the last `numbers` of them are aligned to the right."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(_line(line, widths, len(header) - numbers) for line in lines)


def _line(cells: Sequence[str], widths: Sequence[int], words: int) -> str:
    sized = zip(cells, widths, strict=True)
    return "  ".join(cell.ljust(width) if i < words else cell.rjust(width) for i, (cell, width) in enumerate(sized))
