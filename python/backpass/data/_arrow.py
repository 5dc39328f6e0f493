"""Streams from Parquet and Arrow files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from backpass import _checks
from backpass.data._streams import Stream

if TYPE_CHECKING:
    from backpass._types import Array
    from backpass.data._streams import Chunk

Paths: TypeAlias = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
Columns: TypeAlias = str | Sequence[str]


def parquet(
    paths: Paths,
    *,
    x: Columns | dict[str, Columns],
    y: Columns | dict[str, Columns],
    sample_weight: str | None = None,
    batch_rows: int = 65536,
    buffer: int = 1,
    prefetch: int = 2,
) -> Stream:
    """A stream of the rows of Parquet files; needs pyarrow (`pip install "backpass[arrow]"`).

    Args:
        paths: a file, a folder, or several files, read in this order.
        x: the columns of one row of input; a single column may hold lists of one length. A dict of them if the
            network has several inputs.
        y: the column of the targets or labels; several columns make rows.
        sample_weight: the column of the weights.
        batch_rows: rows of one chunk, at most.
        buffer: how many chunks are shuffled together.
        prefetch: how many such portions are prepared ahead; see `Stream`.

    Raises:
        ImportError: if pyarrow is not installed.
        FileNotFoundError: if there is no such file.
        ValueError: if a column is missing; in fit, if lists are null or of unequal length.
        TypeError: in fit, if a column does not hold numbers or lists of them.

    Example:
        >>> import backpass as bp, pyarrow, pyarrow.parquet, tempfile, os
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "rows.parquet")
        ...     pyarrow.parquet.write_table(pyarrow.table({"a": [0.0, 1.0], "b": [1.0, 0.0], "kind": [0, 1]}), path)
        ...     model = bp.Sequential(bp.Dense(2), seed=0)
        ...     rows = bp.parquet(path, x=["a", "b"], y="kind")
        ...     history = model.fit(rows, loss=bp.CrossEntropy(), optimizer=bp.SGD(0.5), epochs=20)
        >>> history["loss"][-1] < 0.2
        True
    """
    dataset = _open(paths, "parquet")
    return arrow_dataset(
        dataset, x=x, y=y, sample_weight=sample_weight, batch_rows=batch_rows, buffer=buffer, prefetch=prefetch
    )


def arrow_file(
    paths: Paths,
    *,
    x: Columns | dict[str, Columns],
    y: Columns | dict[str, Columns],
    sample_weight: str | None = None,
    batch_rows: int = 65536,
    buffer: int = 1,
    prefetch: int = 2,
) -> Stream:
    """A stream of the rows of Arrow IPC files, which Feather files of version 2 are; see `parquet`.

    Example:
        >>> import backpass as bp, pyarrow, pyarrow.feather, tempfile, os
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "rows.arrow")
        ...     pyarrow.feather.write_feather(pyarrow.table({"a": [0.0, 1.0], "b": [1.0, 3.0]}), path)
        ...     model = bp.Sequential(bp.Dense(1), seed=0)
        ...     history = model.fit(bp.arrow_file(path, x="a", y="b"), loss=bp.MSE(), optimizer=bp.SGD(0.3), epochs=50)
        >>> history["loss"][-1] < 1e-3
        True
    """
    dataset = _open(paths, "ipc")
    return arrow_dataset(
        dataset, x=x, y=y, sample_weight=sample_weight, batch_rows=batch_rows, buffer=buffer, prefetch=prefetch
    )


def arrow_dataset(
    dataset: Any,
    *,
    x: Columns | dict[str, Columns],
    y: Columns | dict[str, Columns],
    sample_weight: str | None = None,
    batch_rows: int = 65536,
    buffer: int = 1,
    prefetch: int = 2,
) -> Stream:
    """A stream of the rows of a `pyarrow.dataset.Dataset`, also a filtered one; see `parquet`.

    Example:
        >>> import backpass as bp, pyarrow, pyarrow.dataset
        >>> rows = pyarrow.dataset.dataset(pyarrow.table({"a": [0.0, 1.0, 9.0], "b": [1.0, 3.0, 9.0]}))
        >>> rows = rows.filter(pyarrow.dataset.field("a") < 5)
        >>> model = bp.Sequential(bp.Dense(1), seed=0)
        >>> stream = bp.arrow_dataset(rows, x="a", y="b")
        >>> model.fit(stream, loss=bp.MSE(), optimizer=bp.SGD(0.3), epochs=50)["loss"][-1] < 1e-3
        True
    """
    if not hasattr(dataset, "schema"):
        raise TypeError(f"[arrow] dataset must be a pyarrow.dataset.Dataset, got {dataset!r}")
    rows = _checks.integer("arrow", "batch_rows", batch_rows, minimum=1)
    wanted = [*_names(x), *_names(y), *([] if sample_weight is None else [sample_weight])]
    for name in wanted:
        if name not in dataset.schema.names:
            raise ValueError(f"[arrow] column must be one of {', '.join(dataset.schema.names)}, got {name!r}")

    def chunks() -> Iterator[Chunk]:
        # One batch at a time, in the order of the files: memory shall not grow with what could be read ahead.
        batches = dataset.to_batches(
            columns=list(dict.fromkeys(wanted)),
            batch_size=rows,
            batch_readahead=1,
            fragment_readahead=1,
            use_threads=False,
            fragment_scan_options=_frugal(dataset),
        )
        for batch in batches:
            if batch.num_rows == 0:  # a filter has left nothing, not even the length of lists
                continue
            weight = None if sample_weight is None else _column(batch, sample_weight)
            yield _input(batch, x), _target(batch, y), weight

    return Stream(chunks, buffer=buffer, prefetch=prefetch)


def _open(paths: Paths, file_format: str) -> Any:
    try:
        import pyarrow.dataset
    except ImportError:
        raise ImportError('[arrow] needs pyarrow: pip install "backpass[arrow]"') from None
    several = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    files = [os.fspath(path) for path in several]
    return pyarrow.dataset.dataset(files[0] if len(files) == 1 else files, format=file_format)


def _frugal(dataset: Any) -> Any:
    """Options of a scan: a Parquet file would be read as a whole beforehand."""
    import pyarrow.dataset

    if getattr(getattr(dataset, "format", None), "default_extname", None) != "parquet":
        return None
    return pyarrow.dataset.ParquetFragmentScanOptions(pre_buffer=False)


def _names(columns: Columns | dict[str, Columns]) -> list[str]:
    if isinstance(columns, dict):
        return [name for part in columns.values() for name in _names(part)]
    return [columns] if isinstance(columns, str) else list(columns)


def _column(batch: Any, name: str) -> Array:
    import pyarrow

    column, types = batch.column(name), pyarrow.types
    if not types.is_nested(column.type):
        return np.asarray(column.to_numpy(zero_copy_only=False))
    lists = types.is_list(column.type) or types.is_large_list(column.type) or types.is_fixed_size_list(column.type)
    if not lists or types.is_nested(column.type.value_type):
        raise TypeError(f"[arrow] column {name!r} must hold numbers or lists of numbers, got {column.type}")
    return _lists(column, name)


def _lists(column: Any, name: str) -> Array:
    """(rows, length of each list)."""
    import pyarrow.compute

    lengths = pyarrow.compute.unique(pyarrow.compute.list_value_length(column)).to_pylist()  # None for a null
    if len(lengths) != 1 or None in lengths:
        found = ", ".join("null" if length is None else str(length) for length in lengths[:4])
        raise ValueError(f"[arrow] lists in column {name!r} must be of one length, got lengths {found}")
    return np.asarray(column.flatten().to_numpy(zero_copy_only=False)).reshape(len(column), lengths[0])


def _rows(batch: Any, names: Sequence[str]) -> Array:
    columns = [_column(batch, name) for name in names]
    return np.column_stack(columns) if columns else np.empty((batch.num_rows, 0))


def _input(batch: Any, columns: Columns | dict[str, Columns]) -> Any:
    if isinstance(columns, dict):
        return {name: _rows(batch, _names(part)) for name, part in columns.items()}
    return _rows(batch, _names(columns))


def _target(batch: Any, columns: Columns | dict[str, Columns]) -> Any:
    if isinstance(columns, dict):
        return {name: _target(batch, part) for name, part in columns.items()}
    return _column(batch, columns) if isinstance(columns, str) else _rows(batch, columns)
