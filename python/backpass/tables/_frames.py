"""Tables of any kind as named columns: NumPy arrays, whoever made the table. Nothing is imported for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from backpass._types import Array

Columns: TypeAlias = dict[str, Array]


def columns_of(where: str, table: Any) -> Columns:
    """The columns of `table` by name: arrays (rows,) of numbers, dates, or objects.

    A data frame of pandas or polars, a table of Arrow, a structured array, a dict of columns, a list of dicts (a column
    that one of them lacks is missing there), or an array (rows, columns), whose columns are called "x0", "x1", ...

    Raises:
        TypeError: if it is nothing of the kind.
        ValueError: if columns have different lengths, or one name stands twice.
    """
    columns = _columns(where, table)
    rows = {len(values) for values in columns.values()}
    if len(rows) > 1:
        raise ValueError(f"[{where}] columns must have equal rows, got {_lengths(columns)}")
    return columns


def _columns(where: str, table: Any) -> Columns:
    if isinstance(table, Mapping):
        return {str(name): _array(values) for name, values in table.items()}
    if hasattr(table, "column_names"):  # Arrow
        return _named(where, table.column_names, [_of_arrow(table.column(i)) for i in range(len(table.column_names))])
    if hasattr(table, "columns") and hasattr(table, "get_columns"):  # polars
        return _named(where, table.columns, [_of_polars(series) for series in table.get_columns()])
    if hasattr(table, "columns") and hasattr(table, "iloc"):  # pandas
        return _named(where, table.columns, [_of_pandas(table.iloc[:, i]) for i in range(len(table.columns))])
    if isinstance(table, Sequence) and not isinstance(table, str) and table and isinstance(table[0], Mapping):
        names = list(dict.fromkeys(str(name) for row in table for name in row))
        return {name: _array([row.get(name) for row in table]) for name in names}
    array = np.asarray(table)
    if array.dtype.names:
        return {name: _array(array[name]) for name in array.dtype.names}
    if array.ndim != 2:
        raise TypeError(
            f"[{where}] a table is a data frame, a dict of columns, a list of dicts or an array (rows, columns), "
            f"got {type(table).__name__} of shape {array.shape}"
        )
    return {f"x{i}": _array(array[:, i]) for i in range(array.shape[1])}


def _named(where: str, names: Any, arrays: list[Array]) -> Columns:
    texts = [str(name) for name in names]
    twice = next((name for i, name in enumerate(texts) if name in texts[:i]), None)
    if twice is not None:
        raise ValueError(f"[{where}] two columns are called {twice!r}")
    return dict(zip(texts, map(_array, arrays), strict=True))


def _of_pandas(series: Any) -> Array:
    if hasattr(series.dtype, "numpy_dtype"):  # nullable
        kind = series.dtype.numpy_dtype.kind
        if kind in "iuf":
            return np.asarray(series.to_numpy(dtype="float64", na_value=np.nan))
        if kind == "b":
            return np.asarray(series.to_numpy(dtype=object, na_value=None))
    if hasattr(series, "cat"):
        return np.asarray(series.astype(object).to_numpy())
    if getattr(series.dtype, "tz", None) is not None:
        return np.asarray(series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy())
    return np.asarray(series.to_numpy())


def _of_polars(series: Any) -> Array:
    return np.asarray(series.to_list(), dtype=object) if series.dtype.is_nested() else np.asarray(series.to_numpy())


def _of_arrow(column: Any) -> Array:
    if hasattr(column.type, "value_type") and hasattr(column.type, "index_type"):
        column = column.cast(column.type.value_type)
    return np.asarray(column.to_numpy(zero_copy_only=False) if column.num_chunks == 0 else column.to_numpy())


def _array(values: Any) -> Array:
    """(rows,): numbers, dates or objects; texts and truth values are objects."""
    array = values if isinstance(values, np.ndarray) else np.asarray(values, dtype=_dtype_of(values))
    if array.ndim != 1:
        array = array.reshape(len(array), -1)[:, 0] if array.size == len(array) else array
    if array.ndim != 1:
        raise ValueError(f"a column has one dimension, got shape {array.shape}")
    return array.astype(object) if array.dtype.kind in "USb" else array


def _dtype_of(values: Any) -> Any:
    """Lists of mixed things stay as they are; NumPy would make texts of them."""
    if hasattr(values, "dtype") or not isinstance(values, Sequence):
        return None
    kinds = {type(value) for value in values if value is not None}
    plain = kinds <= {int, float, np.float64, np.int64} and None not in values
    return None if plain else object


def _lengths(columns: Columns) -> str:
    return ", ".join(f"{name!r}: {len(values)}" for name, values in list(columns.items())[:5])
