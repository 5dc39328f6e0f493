"""Models as C headers."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from backpass._replacing import replacing
from backpass._types import Array
from backpass.exchange._c_arrays import rows_in_8_bits
from backpass.exchange._c_rows import ROWS, WHOLES
from backpass.exchange._c_writer import Writer
from backpass.exchange._graph import ARRAYS, CANNOT, Graph, graph_of, held_values
from backpass.exchange._one_row import check_rows_are_apart

WEIGHTS = ("float", "int8")
_READ_BY_ROWS = {
    ("matmul", 1),
    ("conv", 1),
    ("conv_transpose", 1),
    ("take", 0),
    ("recurrent", 1),
}  # kind, and which input


@dataclass(frozen=True)
class CHeader:
    """What `to_c` has made.

    Attributes:
        text: the header.
        bytes: of the weights.
        workspace: of the memory that the function works in, in bytes.
        error: the greatest difference of an output for the rows given, from the weights' rounding; None without rows.
    """

    text: str
    bytes: int
    workspace: int
    error: float | None


def to_c(
    model: Any,
    path: str | bytes | os.PathLike[str] | None = None,
    *,
    name: str = "model",
    weights: str = "float",
    rows: Any = None,
) -> CHeader:
    """The model as one header in C99 that needs nothing but the standard library: weights, and a function for one row.

    The header has `name_predict(input_0, ..., output_0, ..., workspace)`, which allocates nothing and keeps nothing
    between calls, and the sizes of its arrays as constants in capitals. It can be included from C++ too.

    Args:
        model: a model of this package, or a `backpass.tables.TableModel`.
        path: where it is written; None writes nothing.
        name: with which everything in the header begins.
        weights: "float" as they are, or "int8": matrices, filters and tables in 8 bits, with a factor for each row.
            The function still computes in floating point.
        rows: inputs as the model's `predict` takes them, for which the loss by rounded weights is measured.

    Returns:
        A `CHeader`: the text and its measures.

    Raises:
        ValueError: if the name is none in C, or if the model has an operation without words in C, which the message
            names: among them all that look at several rows of a batch.

    Example:
        >>> import backpass as bp
        >>> from backpass.exchange import to_c
        >>> made = to_c(bp.Sequential(bp.Dense(3, activation="relu"), bp.Dense(2), input_shape=4, seed=0))
        >>> made.bytes, made.workspace
        (92, 12)
    """
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise ValueError(f"[to_c] name must be one of C: letters, digits and _, a letter first; got {name!r}")
    if weights not in WEIGHTS:
        raise ValueError(f"[to_c] weights must be 'float' or 'int8', got {weights!r}")
    graph = graph_of("to_c", model)
    for op in graph.ops:
        if op.kind not in ROWS.keys() | WHOLES.keys() | {"input", *ARRAYS}:
            raise ValueError(f"[to_c] the operation {op.kind!r} {CANNOT.get(op.kind, 'is not known')}: no C for it")
    check_rows_are_apart(graph)
    narrow = _narrow(graph) if weights == "int8" else set()
    for each in narrow:
        if not np.isfinite(graph.arrays[each]).all():
            raise ValueError(f"[to_c] weights of 8 bits must be finite, and {each!r} is not")
    text, size, workspace = _header(graph, name, narrow)
    made = CHeader(text, size, workspace, None if rows is None else _error(model, graph, narrow, rows))
    if path is not None:
        with replacing(path) as whole, open(whole, "w", encoding="ascii") as file:
            file.write(text)
    return made


def _narrow(graph: Graph) -> set[str]:
    """The parameters that only products and lookups read, by rows."""
    through = {op.number: op.inputs[0] for op in graph.ops if op.kind == "reshape"}
    leaves = {op.number: str(op.settings["name"]) for op in graph.ops if op.kind == "parameter" and len(op.shape) > 1}
    kept = set(leaves.values())
    for op in graph.ops:
        for place, number in enumerate(op.inputs):
            source = through.get(number, number)
            by_rows = (op.kind, place) in _READ_BY_ROWS and graph.op(number).shape[0] == graph.op(source).shape[0]
            if source in leaves and op.kind != "reshape" and not by_rows:
                kept.discard(leaves[source])
    return kept


def _error(model: Any, graph: Graph, narrow: set[str], rows: Any) -> float:
    network = copy.deepcopy(getattr(model, "network", model))
    given = model.schema.encode(rows) if hasattr(model, "schema") else rows
    wanted = _as_list(network.predict(given))
    rounded = dict(network.state_dict())
    for name in narrow:
        whole, scale = rows_in_8_bits(graph.arrays[name])
        rounded[name] = (whole.reshape(len(scale), -1) * scale[:, None]).reshape(whole.shape)
    network.load_state_dict(rounded)
    found = _as_list(network.predict(given))
    return float(max(np.abs(a - b).max(initial=0) for a, b in zip(found, wanted, strict=True)))


def _as_list(outputs: Any) -> list[Array]:
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def _header(graph: Graph, name: str, narrow: set[str]) -> tuple[str, int, int]:
    writer = Writer(graph, ROWS, WHOLES)
    arrays, size = [], 0
    arguments = []
    for i, number in enumerate(graph.inputs):
        writer.stored[number] = f"input_{i}"
        kind = "int32_t" if graph.op(number).dtype == "int32" else writer.type
        arguments.append(f"const {kind} *input_{i}")
    for i, op in enumerate(op for op in graph.ops if op.kind in ARRAYS):
        values, label = held_values(graph, op), f"{name}_{i}"
        writer.stored[op.number] = label
        said = str(op.settings.get("name", "constants"))
        if said in narrow and op.kind == "parameter":
            values, scale = rows_in_8_bits(values)
            writer.scales[op.number] = f"{label}_scale"
            arrays.append(_array(writer, f"{label}_scale", scale, f"{said}: a factor for each row"))
            size += scale.nbytes
        arrays.append(_array(writer, label, values, said))
        size += values.nbytes
    arguments += [f"{writer.type} *output_{i}" for i in range(len(graph.outputs))]
    writer.body()
    sizes = [(f"INPUT_{i}", _count(writer, number)) for i, number in enumerate(graph.inputs)]
    sizes += [(f"OUTPUT_{i}", _count(writer, number)) for i, number in enumerate(graph.outputs)]
    sizes.append(("WORKSPACE", max(1, writer.places.size)))
    text = "\n".join(_lines(name, writer, arrays, arguments, sizes)) + "\n"
    return text, size, writer.places.size * np.dtype(writer.real).itemsize


def _lines(
    name: str, writer: Writer, arrays: list[str], arguments: list[str], sizes: list[tuple[str, int]]
) -> Iterator[str]:
    guard = f"{name.upper()}_H"
    yield f"/* A network of backpass: {name}_predict computes its outputs for one row. C99, or C++. */"
    yield from (f"#ifndef {guard}", f"#define {guard}", "#include <math.h>", "#include <stdint.h>", "")
    yield "/* Elements of the arrays that it is given. */"
    yield "enum { " + ", ".join(f"{name.upper()}_{what} = {count}" for what, count in sizes) + " };"
    yield from ("", *arrays)
    yield "/* Gives 0, or -1 where an index lies outside its table: the outputs mean nothing then. */"
    yield f"static inline int {name}_predict({', '.join([*arguments, f'{writer.type} *workspace'])}) {{"
    yield from writer.lines
    yield from ("  (void)workspace;", "  return 0;", "}", "", f"#endif /* {guard} */")


def _count(writer: Writer, number: int) -> int:
    return int(np.prod(writer.shape(number)))


def _array(writer: Writer, label: str, values: Array, said: str) -> str:
    kind = {"int8": "int8_t", "int32": "int32_t"}.get(values.dtype.name, writer.type)
    real = values.dtype.kind == "f"
    texts = [writer.number(float(v)) if real else str(v) for v in values.ravel()] or ["0"]
    lines = [", ".join(texts[at : at + 16]) for at in range(0, len(texts), 16)]
    shape = " x ".join(str(dim) for dim in values.shape) or "one"
    return f"/* {re.sub(r'[^ -~]|[*/]', '?', said)}, {shape} */\nstatic const {kind} {label}[] = {{\n  " + (
        ",\n  ".join(lines) + "};\n"
    )
