"""Models as ONNX graphs."""

from __future__ import annotations

import os
from typing import Any

from backpass._replacing import replacing
from backpass.exchange._graph import graph_of
from backpass.exchange._onnx_rows import CANNOT, ROWS
from backpass.exchange._onnx_writer import Writer, onnx


def to_onnx(model: Any, path: str | bytes | os.PathLike[str] | None = None) -> Any:
    """The model as an ONNX graph (opset 20), with what it does with raw values; the number of rows stays open.

    Args:
        model: a model of this package, or a `backpass.tables.TableModel`.
        path: where it is written; None gives an `onnx.ModelProto` and writes nothing.

    Returns:
        The `onnx.ModelProto`, checked.

    Raises:
        ImportError: if onnx is not installed.
        ValueError: if it has an operation that ONNX has no words for, which the message names.

    Example:
        >>> import backpass as bp
        >>> from backpass.exchange import to_onnx
        >>> model = bp.Sequential(bp.Dense(3, activation="relu"), bp.Dense(2), input_shape=4, seed=0)
        >>> [node.op_type for node in to_onnx(model).graph.node]
        ['Gemm', 'Relu', 'Gemm']
    """
    made = Writer(graph_of("to_onnx", model), ROWS, CANNOT).model()
    onnx().checker.check_model(made, full_check=True)
    if path is not None:
        with replacing(path) as whole:
            onnx().save(made, whole)
    return made
