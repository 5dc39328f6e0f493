"""Tables and columns of pandas and polars as arrays; neither is imported here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from backpass._types import Array

Names: TypeAlias = "tuple[str, ...] | dict[Any, Names] | list[Names] | None"
MAX_INPUTS = 16  # of a network
_SHOWN = 8  # names in a message


def is_table(value: Any) -> bool:
    """Whether it has columns, each of a type of its own. A lazy one has none yet, and is not asked: that takes time."""
    return not hasattr(type(value), "collect") and hasattr(value, "columns") and hasattr(value, "dtypes")


def is_of_table(value: Any) -> bool:
    """Whether it is a table or one of its columns."""
    return hasattr(value, "to_numpy") and (hasattr(value, "dtypes") or hasattr(value, "dtype"))


def arrays_of(value: Any, label: str, complete: bool) -> Any:
    """With arrays in place of tables and columns, also in a list or dict of several inputs; else as it is."""
    if is_of_table(value):
        return array_of(value, label, complete)
    if isinstance(value, dict):
        return {name: arrays_of(part, f"{label}[{name!r}]", complete) for name, part in value.items()}
    if isinstance(value, (list, tuple)) and len(value) <= MAX_INPUTS and any(map(is_of_table, value)):
        arrays = [arrays_of(part, f"{label}[{index}]", complete) for index, part in enumerate(value)]
        return tuple(arrays) if isinstance(value, tuple) else arrays
    return value


def array_of(value: Any, label: str, complete: bool = False) -> Array:
    """The numbers of a table (rows, columns) or of a column (rows,).

    Numbers and truth values may stand side by side, in any of the types that pandas and polars have for them.

    Args:
        value: a table, or a column.
        label: what opens a message.
        complete: whether a nan is refused too.

    Raises:
        TypeError: if a column holds something else; it is named.
        ValueError: if a value is missing; its column is named.
    """
    if not is_table(value):
        return _numbers(value, label, complete)
    columns = [_numbers(column, f"{label} column {name!r}", complete) for name, column in _columns(value)]
    if not columns:
        raise ValueError(f"{label} has no columns")
    array = np.empty((len(columns[0]), len(columns)), np.result_type(*columns))
    for index, column in enumerate(columns):
        array[:, index] = column
    return array


def _columns(table: Any) -> Iterable[tuple[Any, Any]]:
    if hasattr(table, "items"):  # pandas
        return table.items()  # type: ignore[no-any-return]
    return [(column.name, column) for column in table.get_columns()]


def _numbers(column: Any, label: str, complete: bool) -> Array:
    if not (isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf"):
        _require(~np.asarray(column.isna() if hasattr(column, "isna") else column.is_null()), label)
    values = np.asarray(column)
    if values.dtype == object:
        values = np.asarray(column.to_list())  # numbers and truth values that pandas keeps as objects
    if values.dtype.kind not in "biuf":
        raise TypeError(f"{label} holds {_kind(values)}, such as {_first(values)}: {_cure(values)}")
    if complete and values.dtype.kind == "f":
        _require(~np.isnan(values), label)
    return values


def _require(there: Array, label: str) -> None:
    if not there.all():
        raise ValueError(f"{label} has a missing value in row {there.argmin()}: fill it or drop the row")


def _kind(values: Array) -> str:
    return {"U": "strings", "T": "strings", "M": "dates", "m": "durations"}.get(values.dtype.kind, "objects")


def _first(values: Array) -> str:
    return repr(values[:1].tolist()[0])


def _cure(values: Array) -> str:
    if values.dtype.kind in "Mm":
        return "make numbers of them, such as days since the first"
    return "encode them as numbers, for example with pandas.get_dummies or, as labels, pandas.factorize"


# The names of columns, by which a model knows that they come in the order in which it was trained.


def names_of(x: Any) -> Names:
    """The names of a table's columns; by input, where there are several; None where there are none."""
    if is_table(x):
        names = tuple(x.columns)
        return names if all(isinstance(name, str) for name in names) else None
    if isinstance(x, dict):
        return {name: names_of(part) for name, part in x.items()}
    if isinstance(x, (list, tuple)) and len(x) <= MAX_INPUTS and any(map(is_table, x)):
        return [names_of(part) for part in x]
    return None


def check_names(where: str, known: Names, given: Names) -> None:
    """ValueError where both are known, and differ."""
    if isinstance(known, dict) and isinstance(given, dict):
        for name in known.keys() & given.keys():
            check_names(where, known[name], given[name])
    elif isinstance(known, list) and isinstance(given, list):
        for one, other in zip(known, given, strict=False):
            check_names(where, one, other)
    elif isinstance(known, tuple) and isinstance(given, tuple) and known != given:
        raise ValueError(f"[{where}] x {_difference(known, given)}")


def _difference(known: Sequence[str], given: Sequence[str]) -> str:
    missing = [name for name in known if name not in given]
    unknown = [name for name in given if name not in known]
    if missing:
        return f"has no column {_list(missing)}, which the model was trained with"
    if unknown:
        return f"has columns that the model was not trained with: {_list(unknown)}"
    return f"has its columns in another order than in training, which was {_list(known)}: take x[names] in that order"


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:_SHOWN]))
    return f"{shown}, ... ({len(names)} in all)" if len(names) > _SHOWN else shown
