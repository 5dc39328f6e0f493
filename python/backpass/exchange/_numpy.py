"""Models as files of Python that need NumPy alone."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from backpass._replacing import replacing
from backpass._types import Array
from backpass.exchange._graph import ARRAYS, CANNOT, Graph, Op, graph_of, held_values
from backpass.exchange._numpy_helpers import HELPERS
from backpass.exchange._numpy_rows import ROWS


def to_numpy(model: Any, path: str | bytes | os.PathLike[str] | None = None) -> str:
    """The model as one file of Python that needs NumPy alone: weights, and a function `predict`.

    Args:
        model: a model of this package, or a `backpass.tables.TableModel`; its `schema.encode(table)` gives the inputs.
        path: where it is written; None writes nothing.

    Returns:
        The text of the file.

    Raises:
        ValueError: if it has an operation without words in NumPy, which the message names.

    Example:
        >>> import numpy as np
        >>> import backpass as bp
        >>> from backpass.exchange import to_numpy
        >>> model = bp.Sequential(bp.Dense(3, activation="relu"), bp.Dense(2), input_shape=4, seed=0)
        >>> names = {}
        >>> exec(to_numpy(model), names)
        >>> x = np.ones((5, 4), np.float32)
        >>> bool(np.abs(names["predict"](x) - model(x)).max() < 1e-6)
        True
    """
    text = "\n".join(_lines(graph_of("to_numpy", model))) + "\n"
    if path is not None:
        with replacing(path) as whole, open(whole, "w", encoding="ascii") as file:
            file.write(text)
    return text


def _lines(graph: Graph) -> Iterator[str]:
    names = {number: f"input_{i}" for i, number in enumerate(graph.inputs)}
    held = [op for op in graph.ops if op.kind in ARRAYS]
    names |= {op.number: f"ARRAYS[{i}]" for i, op in enumerate(held)}
    body = list(_body(graph, names))
    yield '"""A network of backpass: `predict` computes its outputs for any number of rows. It needs NumPy alone."""'
    yield from ("", "import base64", "import io", "import math", "", "import numpy as np", "")
    yield "# " + ", ".join(str(op.settings.get("name", "constants")) for op in held).encode("ascii", "replace").decode()
    yield from _stored([held_values(graph, op) for op in held])
    for name in _called(body):
        yield from ("", HELPERS[name].rstrip())
    given = ", ".join(f"input_{i}" for i in range(len(graph.inputs)))
    yield from ("", "", f"def predict({given}):")
    yield from (f"    {line}" for line in body)


def _called(body: list[str]) -> list[str]:
    """The helpers that lines call, and those that these call."""
    said, found = "\n".join(body), ""
    while said != found:
        found = said
        said = "\n".join([*body, *(text for name, text in HELPERS.items() if f"{name}(" in found)])
    return [name for name in HELPERS if f"{name}(" in found]


def _stored(arrays: list[Array]) -> Iterator[str]:
    file = io.BytesIO()
    np.savez_compressed(file, *arrays)
    text = base64.b64encode(file.getvalue()).decode()
    yield "with np.load(io.BytesIO(base64.b64decode("
    yield from (f'    "{text[at : at + 100]}"' for at in range(0, len(text), 100))
    yield ")), allow_pickle=False) as file:"
    yield '    ARRAYS = [file[f"arr_{i}"] for i in range(len(file.files))]'


def _body(graph: Graph, names: dict[int, str]) -> Iterator[str]:
    for i, number in enumerate(graph.inputs):
        op = graph.op(number)
        yield f"input_{i} = np.asarray(input_{i}, np.{op.dtype})"
        yield f"if input_{i}.ndim != {len(op.shape)} or input_{i}.shape[1:] != {op.shape[1:]}:"
        yield f'    raise ValueError(f"input_{i} must have shape (rows, *{op.shape[1:]}), got {{input_{i}.shape}}")'
    yield "rows = len(input_0)"
    yield 'with np.errstate(all="ignore"):'
    for op in graph.ops:
        if op.number not in names:
            names[op.number] = f"v{op.number}"
            yield f"    v{op.number} = {_expression(graph, op, [names[i] for i in op.inputs])}"
    outputs = [names[number] for number in graph.outputs]
    yield f"    return {outputs[0] if len(outputs) == 1 else '[' + ', '.join(outputs) + ']'}"


def _expression(graph: Graph, op: Op, given: list[str]) -> str:
    if op.kind not in ROWS:
        why = CANNOT.get(op.kind, "is not known")
        raise ValueError(f"[to_numpy] the operation {op.kind!r} {why}: it cannot be exported")
    return ROWS[op.kind](graph, op, given)
