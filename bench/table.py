"""A table that is printed row by row while it is measured, and written as markdown in the end."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Table:
    title: str
    columns: list[str]
    note: str = ""
    width: int = 11  # of a column, at least
    first: int = 16  # of the first one
    rows: list[list[str]] = field(default_factory=list)

    def line(self, cells: list[str]) -> str:
        widths = [max(self.first, len(self.columns[0])), *(max(self.width, len(name)) for name in self.columns[1:])]
        return "  ".join(text.rjust(width) for text, width in zip(cells, widths, strict=True))

    def begin(self) -> Table:
        header = self.line(self.columns)
        print(f"\n{self.title}\n{header}\n{'-' * len(header)}", flush=True)
        return self

    def add(self, *cells: str) -> None:
        self.rows.append(list(cells))
        print(self.line(self.rows[-1]), flush=True)

    def end(self) -> None:
        if self.note:
            print(self.note, flush=True)

    def markdown(self) -> str:
        lines = [self.columns, ["---", *["---:"] * (len(self.columns) - 1)], *self.rows]
        body = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        return "\n\n".join(part for part in (f"**{self.title}**", body, self.note) if part)


def microseconds(seconds: float) -> str:
    value = seconds * 1e6
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


SPEEDUP = "The speedup is the time of the best peer divided by that of backpass: above 1x, backpass is faster."


def is_lost(speedup: float) -> bool:
    """Whether a peer is faster, as far as two digits tell."""
    return round(speedup, 2) < 1


def times_as_fast(speedup: float | None) -> str:
    """How many times as fast as a peer: "2.10x". A case that is lost says so."""
    return "-" if speedup is None else f"{speedup:.2f}x" + " lost" * is_lost(speedup)
