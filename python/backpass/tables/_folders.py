"""Tables larger than memory: a folder of Parquet files, of which a few rows are kept and the others pass by."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backpass._types import Array
from backpass.tables._columns import is_missing, text_of
from backpass.tables._files import ARROW, _arrow
from backpass.tables._frames import Columns, columns_of
from backpass.tables._targets import FEW, Target, looks_like_classes

CHUNK = 16_384  # rows that are read at once
MOST_KEPT = 100_000  # rows of a kind that are in memory for good


class ParquetFolder:
    """The rows of the Parquet files of a folder, for `TableModel.fit`: they are read anew in each epoch.

    What columns are is learned from at most 100,000 rows, and as many at most are held out. Which these are follows
    from `seed`, the files and their names alone.

    Args:
        path: a folder; its files that end in .parquet or .pq, in the order of their names.
        test: the share of the rows that `fit` never sees: `test_rows()`.
        seed: of the choice of rows.

    Attributes:
        rows: of all files.
        names: of the columns.

    Raises:
        ValueError: if there is no such file, or they have different columns; the message names the file.
        ImportError: without pyarrow.
    """

    def __init__(self, path: str | os.PathLike[str], *, test: float = 0.0, seed: int = 0) -> None:
        if not 0 <= test < 1:
            raise ValueError(f"[ParquetFolder] test must be at least 0 and below 1, got {test}")
        self.path, self.seed = os.fspath(path), seed
        names = sorted(name for name in os.listdir(self.path) if name.lower().endswith(ARROW[:2]))
        if not names:
            raise ValueError(f"{self.path}: there is no Parquet file in this folder")
        self.files = [os.path.join(self.path, name) for name in names]
        self.groups: list[tuple[str, int]] = []
        self.rows = 0
        self.names: tuple[str, ...] = ()
        for file in self.files:
            self._look_at(file)
        self.test = min(test, MOST_KEPT / max(self.rows, 1))

    def _look_at(self, file: str) -> None:
        opened = self._opened(file)
        names = tuple(opened.schema_arrow.names)
        if self.names and set(names) != set(self.names):
            odd = sorted(set(names) ^ set(self.names))[0]
            raise ValueError(f"{file}: column {odd!r} is not in all files of the folder")
        self.names = self.names or names
        self.rows += opened.metadata.num_rows
        self.groups += [(file, group) for group in range(opened.metadata.num_row_groups)]

    def _opened(self, file: str) -> Any:
        arrow = _arrow()
        try:
            return arrow.parquet.ParquetFile(file)
        except arrow.ArrowInvalid as error:
            raise ValueError(f"{file}: {error}") from None

    def chunks(self, order: Sequence[int] | None = None) -> Iterator[tuple[Columns, Array]]:
        """All rows, some at a time, and a number from 0 to 1 for each, always the same: it says what the row is for."""
        for place in range(len(self.groups)) if order is None else order:
            file, group = self.groups[place]
            drawn = np.random.default_rng([self.seed, place])
            for batch in self._opened(file).iter_batches(CHUNK, row_groups=[group], columns=list(self.names)):
                columns = columns_of(file, _arrow().table(batch))
                yield columns, drawn.random(batch.num_rows)

    def kept(self, low: float, high: float) -> Columns:
        """Rows whose number is at least low and below high, and no more than are kept: the first of them."""
        found: list[Columns] = []
        for columns, numbers in self.chunks():
            chosen = (numbers >= low) & (numbers < high)
            found.append({name: values[chosen] for name, values in columns.items()})
        joined = {name: np.concatenate([part[name] for part in found]) for name in self.names}
        return {name: values[:MOST_KEPT] for name, values in joined.items()}

    def test_rows(self) -> Columns:
        """Those that `fit` never sees."""
        return self.kept(0, self.test)

    def passing(self, low: float, seed: int) -> Iterator[Columns]:
        """Rows whose number is at least low, some at a time; groups of rows come in an order of the seed."""
        order = np.random.default_rng(seed).permutation(len(self.groups))
        for columns, numbers in self.chunks([int(place) for place in order]):
            if (numbers >= low).any():
                yield {name: values[numbers >= low] for name, values in columns.items()}


@dataclass(frozen=True)
class Shares:
    """What numbers of rows mean: below `test` for tests, below `held_out` to end training by, others to train on."""

    test: float
    held_out: float
    sample: float  # from here on, a row is one of those that columns are learned from

    @classmethod
    def of(cls, folder: ParquetFolder, validation: float) -> Shares:
        most = MOST_KEPT / max(folder.rows, 1)
        held_out = folder.test + min(validation * (1 - folder.test), most)
        return cls(folder.test, held_out, max(held_out, 1 - most))


def target_of(folder: ParquetFolder, name: str, task: str | None) -> Target:
    """The target, by all rows: its classes, or its mean and deviation."""
    kinds: dict[str, Any] = {}
    count, total, squares, some = 0, 0.0, 0.0, np.empty(0)
    for columns, _ in folder.chunks():
        values = columns[name]
        if is_missing(values).any():
            raise ValueError(f"{folder.path}: the target {name!r} has no value in some rows; leave them out")
        if values.dtype.kind == "O" or (values.dtype.kind in "iu" and len(kinds) <= FEW) or task == "classification":
            kinds |= {text_of(value): value for value in np.unique(values)}
        if values.dtype.kind in "iuf":
            numbers = values.astype(np.float64)
            count, total, squares = count + len(numbers), total + numbers.sum(), squares + np.square(numbers).sum()
        some = values
    distinct = np.array(list(kinds.values()), some.dtype) if kinds else some
    if task == "classification" or (task is None and looks_like_classes(distinct)):
        return Target.learn(name, distinct, "classification")
    Target.learn(name, some, "regression")  # refuses what is no number
    mean = total / count
    return Target(name, (), mean, float(np.sqrt(max(squares / count - mean**2, 0))) or 1.0)
