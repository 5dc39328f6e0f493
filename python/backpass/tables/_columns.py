"""What the columns of a table are, and the arrays that a network gets of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from backpass._types import Array
from backpass.tables._frames import Columns, columns_of

MOST_CATEGORIES = 10_000


@dataclass(frozen=True)
class Column:
    """One column: "number", "date" (a number too: days, since 1970 or of a duration) or "category", with its own."""

    name: str
    kind: str
    categories: tuple[str, ...] = ()
    missing: bool = False  # whether some were, where it was learned


@dataclass(frozen=True)
class Schema:
    """What the columns of a table are, as learned from one. Columns that have no use have no place in it.

    Example:
        >>> from backpass.tables import Schema
        >>> schema = Schema.learn({"size": [1.0, 2.5, None], "colour": ["red", "blue", "red"]})
        >>> [(column.name, column.kind) for column in schema.columns]
        [('size', 'number'), ('colour', 'category')]
        >>> schema.encode({"size": [4.0], "colour": ["green"]})
        (array([[4.]], dtype=float32), array([[0]], dtype=int32))
    """

    columns: tuple[Column, ...]
    left_out: tuple[str, ...] = field(default=())  # nothing but missing values

    @classmethod
    def learn(cls, table: Any, categorical: Iterable[str] | None = None) -> Schema:
        """From training data. Texts, truth values and categories are categories, dates are dates, all else numbers.

        Args:
            table: see `backpass.tables`.
            categorical: names of columns that are categories whatever they look like.

        Raises:
            TypeError: if a column holds what is none of these.
            ValueError: if there is no row or no column, or `categorical` names one that is not there.
        """
        given = columns_of("Schema", table)
        asked = set(map(str, categorical or ()))
        if unknown := asked - set(given):
            raise ValueError(f"[Schema] categorical names {sorted(unknown)[0]!r}, which is no column")
        if not given or not len(next(iter(given.values()))):
            raise ValueError("[Schema] a table must have rows and columns to learn from")
        columns = [_learned(name, values, name in asked) for name, values in given.items()]
        kept = tuple(column for column in columns if column is not None)
        gone = tuple(name for name, column in zip(given, columns, strict=True) if column is None)
        if not kept:
            raise ValueError("[Schema] all columns have nothing but missing values")
        return cls(kept, gone)

    @property
    def numbers(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.kind != "category")

    @property
    def categories(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.kind == "category")

    def encode(self, table: Any) -> tuple[Array, Array]:
        """Numbers, float32 (rows, columns) with nan for what is missing; and categories, int32 (rows, columns): 0 for
        what is missing or was never seen, else the place in the list of categories, from 1.

        Raises:
            ValueError: if a column is not there, or a number cannot be read: the message names column and row.
        """
        given = columns_of("Schema", table)
        if absent := [column.name for column in self.columns if column.name not in given]:
            raise ValueError(f"[Schema] the table has no column {absent[0]!r}; it has {', '.join(map(repr, given))}")
        self._check_positions(given)
        rows = len(next(iter(given.values())))
        numbers = np.empty((rows, len(self.numbers)), np.float32)
        for i, column in enumerate(self.numbers):
            numbers[:, i] = _finite(column.name, _numbers(column, given[column.name]))
        codes = np.empty((rows, len(self.categories)), np.int32)
        for i, column in enumerate(self.categories):
            codes[:, i] = _codes(column, given[column.name])
        return numbers, codes

    def _check_positions(self, given: Columns) -> None:
        """More columns than it knows are not looked at, but in an array nothing tells which are which."""
        known = {column.name for column in self.columns} | set(self.left_out)
        if len(given) > len(known) and known == {f"x{i}" for i in range(len(known))} and "x0" in given:
            raise ValueError(f"[Schema] it was learned from {len(known)} columns without names, got {len(given)}")

    def to_json(self) -> dict[str, Any]:
        return {"columns": [asdict(column) for column in self.columns], "left_out": list(self.left_out)}

    @classmethod
    def from_json(cls, json: Mapping[str, Any]) -> Schema:
        columns = (Column(**{**column, "categories": tuple(column["categories"])}) for column in json["columns"])
        return cls(tuple(columns), tuple(json["left_out"]))


def is_missing(values: Array) -> Array:
    """Where a column has None, nan or what stands for them: bool (rows,)."""
    if values.dtype.kind == "f":
        return np.isnan(values)
    if values.dtype.kind in "Mm":
        return np.isnat(values)
    if values.dtype.kind != "O":
        return np.zeros(len(values), bool)
    return np.fromiter((value is None or _is_nan(value) for value in values), bool, len(values))


def _is_nan(value: Any) -> bool:
    try:
        return bool(value != value)
    except TypeError:  # pandas.NA
        return True


def text_of(value: Any) -> str:
    """A category as it is known: 3 and 3.0 are the same."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _learned(name: str, values: Array, as_category: bool) -> Column | None:
    missing = is_missing(values)
    there = values[~missing]
    if not len(there):
        return None
    if values.dtype.kind == "c":
        raise TypeError(f"[Schema] column {name!r} has complex numbers")
    if not as_category and values.dtype.kind in "iuf":
        return Column(name, "number", missing=bool(missing.any()))
    if not as_category and values.dtype.kind in "Mm":
        return Column(name, "date", missing=bool(missing.any()))
    if not as_category and all(_is_number(value) for value in there):
        return Column(name, "number", missing=bool(missing.any()))
    if not as_category and all(_is_date(value) for value in there):
        return Column(name, "date", missing=bool(missing.any()))
    counts = Counter(text_of(value) for value in there)
    if len(counts) > MOST_CATEGORIES:
        counts = Counter(dict(counts.most_common(MOST_CATEGORIES)))
    order = sorted(counts, key=lambda text: (-counts[text], text))
    return Column(name, "category", tuple(order), bool(missing.any()))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, (bool, np.bool_))


def _is_date(value: Any) -> bool:
    return hasattr(value, "isoformat") or isinstance(value, np.datetime64)


def _numbers(column: Column, values: Array) -> Array:
    if values.dtype.kind in "Mm":
        days = values.astype(f"{values.dtype.kind}8[s]").astype(np.float64) / 86400
        return np.where(np.isnat(values), np.nan, days)
    if values.dtype.kind in "iufb":
        return values
    read = _date if column.kind == "date" else _number
    return np.fromiter((read(column.name, row, value) for row, value in enumerate(values)), np.float64, len(values))


def _finite(name: str, values: Array) -> Array:
    """Refuses what is infinite, here or in float32."""
    with np.errstate(over="ignore"):
        infinite = np.isinf(values.astype(np.float32))
    if infinite.any():
        row = int(np.argmax(infinite))
        raise ValueError(f"[Schema] column {name!r}, row {row}: {values[row]} is not finite in float32")
    return values


def _is_nothing(value: Any) -> bool:
    return value is None or _is_nan(value) or (isinstance(value, str) and not value.strip())


def _number(name: str, row: int, value: Any) -> float:
    if _is_nothing(value):
        return float("nan")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"[Schema] column {name!r}, row {row}: {value!r} is not a number") from None


def _date(name: str, row: int, value: Any) -> float:
    """Days since 1970, of a date or a text such as "2020-01-31"."""
    if _is_nothing(value):
        return float("nan")
    try:
        return float(np.datetime64(value).astype("datetime64[s]").astype(np.float64)) / 86400
    except (TypeError, ValueError):
        raise ValueError(f"[Schema] column {name!r}, row {row}: {value!r} is not a date") from None


def _codes(column: Column, values: Array) -> Array:
    places = {text: i + 1 for i, text in enumerate(column.categories)}
    missing = is_missing(values)
    return np.fromiter(
        (0 if gone else places.get(text_of(value), 0) for gone, value in zip(missing, values, strict=True)),
        np.int32,
        len(values),
    )


def table_without(table: Any, name: str) -> tuple[Columns, Array]:
    """The columns but one, and that."""
    columns = columns_of("tables", table)
    if name not in columns:
        raise ValueError(f"[tables] the table has no column {name!r}; it has {', '.join(map(repr, columns))}")
    return {other: values for other, values in columns.items() if other != name}, columns[name]
