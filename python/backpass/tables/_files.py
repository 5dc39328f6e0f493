"""Tables in files: comma- or tab-separated text, JSON lines, Parquet and Arrow."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from backpass._replacing import replacing
from backpass._types import Array
from backpass.tables._columns import is_missing
from backpass.tables._frames import Columns, columns_of

MISSING = {"", "na", "n/a", "nan", "null", "none", "?"}  # in texts, whatever their case
ARROW = (".parquet", ".pq", ".arrow", ".feather", ".ipc")


def read_table(path: str | os.PathLike[str]) -> Columns:
    """The columns of a file by name; "-" is comma-separated text from the standard input.

    The ending says what it is: .csv, .tsv and .txt are text with names in the first line (separated by commas,
    semicolons or tabs), .jsonl and .ndjson an object in each line, .json a list of objects, .parquet, .arrow and
    .feather what Arrow reads (`pip install 'backpass[arrow]'`). In text, "", NA, nan, null, None and ? are missing;
    columns of numbers become numbers, those of dates such as 2020-01-31 dates.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is no table; the message names the row.
    """
    name, ending = os.fspath(path), os.path.splitext(os.fspath(path))[1].lower()
    if name == "-":
        return _of_text("standard input", sys.stdin.buffer.read(), None)
    if ending in ARROW:
        return _of_arrow(name, ending)
    with open(path, "rb") as file:
        content = file.read()
    if ending in (".jsonl", ".ndjson", ".json"):
        return _of_json(name, content, ending == ".json")
    _check_text(name, ending)
    return _of_text(name, content, "\t" if ending == ".tsv" else None)


def write_table(path: str | os.PathLike[str], columns: Mapping[str, Any]) -> None:
    """Writes columns to a file, in the form that its ending says; "-" is text to the standard output.

    Raises:
        OSError: if it cannot be written; a file that was there is what it was.
        ValueError: if the ending is none of those that `read_table` reads.
    """
    name, ending = os.fspath(path), os.path.splitext(os.fspath(path))[1].lower()
    if name == "-":
        sys.stdout.write(_as_text(columns, ","))
    elif ending in ARROW:
        with replacing(path) as whole:
            (_write_parquet if ending in ARROW[:2] else _write_ipc)(whole, columns)
    else:
        text = _text_for(name, ending, columns)
        with replacing(path) as whole, open(whole, "w", encoding="utf-8", newline="") as file:
            file.write(text)


def _text_for(name: str, ending: str, columns: Mapping[str, Any]) -> str:
    if ending in (".jsonl", ".ndjson"):
        return "".join(json.dumps(row) + "\n" for row in _objects(columns))
    if ending == ".json":
        return json.dumps(list(_objects(columns)), indent=0) + "\n"
    _check_text(name, ending)
    return _as_text(columns, "\t" if ending == ".tsv" else ",")


def _check_text(name: str, ending: str) -> None:
    if ending not in (".csv", ".tsv", ".txt", ""):
        raise ValueError(f"{name}: a table ends in .csv, .tsv, .txt, .json, .jsonl, .parquet or .arrow")


def _of_text(name: str, content: bytes, separator: str | None) -> Columns:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content[: error.start].count(b"\n") + 1
        raise ValueError(f"{name}: line {row} is not UTF-8") from None
    if "\0" in text:
        raise ValueError(f"{name}: line {text[: text.index(chr(0))].count(chr(10)) + 1} has a NUL character")
    first = text.partition("\n")[0]
    if separator is None:
        separator = max(",;\t", key=first.count)
    try:
        lines = [line for line in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if line]
    except csv.Error as error:
        raise ValueError(f"{name}: {error}") from None
    if not lines:
        raise ValueError(f"{name}: there is nothing in it")
    names = [label.strip() for label in lines[0]]
    for row, line in enumerate(lines[1:], 1):
        if len(line) != len(names):
            raise ValueError(f"{name}: row {row} has {len(line)} values, the first line names {len(names)} columns")
    _check_names(name, names)
    return {label: guessed([line[i] for line in lines[1:]]) for i, label in enumerate(names)}


def _of_json(name: str, content: bytes, whole: bool) -> Columns:
    try:
        text = content.decode("utf-8-sig")
        rows = json.loads(text) if whole else []
        if not whole:
            for number, line in enumerate(text.splitlines(), 1):
                if line.strip():
                    rows.append(_object(name, number, line))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{name}: {error}") from None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{name}: a list of objects is expected")
    columns = columns_of(name, rows)
    return {label: guessed(values) if _is_text(values) else values for label, values in columns.items()}


def _object(name: str, number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"{name}: line {number} is not JSON: {error}") from None


def _is_text(values: Array) -> bool:
    return values.dtype == object and all(isinstance(value, str) for value in values[~is_missing(values)])


def _arrow() -> Any:
    try:
        import pyarrow
        import pyarrow.feather
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError("Parquet and Arrow files need pyarrow: pip install 'backpass[arrow]'") from error
    return pyarrow


def _of_arrow(name: str, ending: str) -> Columns:
    arrow = _arrow()
    try:
        read = arrow.parquet.read_table if ending in ARROW[:2] else arrow.feather.read_table
        return columns_of(name, read(name))
    except arrow.ArrowInvalid as error:
        raise ValueError(f"{name}: {error}") from None


def _write_parquet(name: str, columns: Mapping[str, Any]) -> None:
    _arrow().parquet.write_table(_arrow().table(dict(columns)), name)


def _write_ipc(name: str, columns: Mapping[str, Any]) -> None:
    _arrow().feather.write_feather(_arrow().table(dict(columns)), name)


def _check_names(name: str, names: list[str]) -> None:
    for i, label in enumerate(names):
        if not label:
            raise ValueError(f"{name}: column {i + 1} has no name in the first line")
        if label in names[:i]:
            raise ValueError(f"{name}: two columns are called {label!r}")


def guessed(values: Iterable[Any]) -> Array:
    """Texts as what they look like: numbers, dates, or texts."""
    texts = [None if value is None or value.strip().lower() in MISSING else value.strip() for value in values]
    there = [text for text in texts if text is not None]
    if there and all(_is_float(text) for text in there):
        return np.array([np.nan if text is None else float(text) for text in texts])
    if there and all(len(text) >= 8 and text[:4].isdigit() and _is_date(text) for text in there):
        return np.array(["NaT" if text is None else text for text in texts], "datetime64[s]")
    return np.array(texts, dtype=object)


def _is_float(text: str) -> bool:
    try:
        return np.isfinite(float(text)) and "_" not in text
    except ValueError:
        return False


def _is_date(text: str) -> bool:
    try:
        np.datetime64(text)
    except ValueError:
        return False
    return True


def _plain(value: Any) -> Any:
    if isinstance(value, np.float32):
        return float(str(value))  # no more digits than it has
    return value.item() if hasattr(value, "item") else value


def _as_text(columns: Mapping[str, Any], separator: str) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=separator, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*([_plain(value) for value in values] for values in columns.values()), strict=True))
    return buffer.getvalue()


def _objects(columns: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    rows = zip(*([_plain(value) for value in values] for values in columns.values()), strict=True)
    return (dict(zip(columns, row, strict=True)) for row in rows)
