"""A model as a list of operations, as its file has it: what exporters read."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from backpass._types import Array
from backpass.models._model import Model

BATCH = "batch"  # the dimension that is not known
PASSED = {"track", "stop_gradient", "add_loss", "custom", "after"}  # give their first input outside training


ARRAYS = ("parameter", "state", "values")  # kinds that hold their elements
# Kinds that a prediction may have and that no form for others has words for, or none that are exact.
CANNOT = {
    "host": "is computed by Python",
    "argsort": "sorts",
    "random_uniform": "draws numbers",
    **dict.fromkeys(("scatter_add", "gather", "gather_add"), "looks up elements by several indices"),
    **dict.fromkeys(("window_spread", "window_put", "conv_weight", "recurrent_grad"), "is a derivative"),
    **dict.fromkeys(
        ("cholesky", "triangular_solve", "solve", "inv", "det", "det_sign", "log_abs_det", "eigh", "qr"),
        "is linear algebra",
    ),
}


@dataclass(frozen=True)
class Op:
    """One operation: kind, the numbers of its inputs, shape (with "batch"), dtype, and settings by name."""

    number: int
    kind: str
    inputs: tuple[int, ...]
    shape: tuple[Any, ...]
    dtype: str
    settings: dict[str, Any]


@dataclass(frozen=True)
class Graph:
    """What a prediction computes, in order; `arrays` are parameters and states by name."""

    ops: tuple[Op, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    arrays: dict[str, Array]

    def op(self, number: int) -> Op:
        return self._by_number[number]

    @cached_property
    def _by_number(self) -> dict[int, Op]:
        return {op.number: op for op in self.ops}


def graph_of(who: str, model: Any) -> Graph:
    """The graph of a model of this package, or of `TableModel`s network, as it predicts.

    Raises:
        TypeError: if it is no model.
        ValueError: if it cannot be saved, because Python computes a part of it.
    """
    network = getattr(model, "network", model)
    if not isinstance(network, Model):
        raise TypeError(f"[{who}] takes a model of backpass, got {type(model).__name__}")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model")
        network.save(path)
        with open(path, "rb") as file:
            head = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    told = json.loads(head["__metadata__"]["graph"])
    arrays = {name: np.array(values) for name, values in network.state_dict().items()}
    return _as_it_predicts(told, arrays)


def held_values(graph: Graph, op: Op) -> Array:
    """Of a parameter, a state or constants."""
    if op.kind == "values":
        return np.array([float(v) for v in op.settings["values"]], op.dtype).reshape(op.shape)
    return graph.arrays[str(op.settings["name"])]


def _as_it_predicts(told: dict[str, Any], arrays: dict[str, Array]) -> Graph:
    """Without what only training computes."""
    stands_for: list[int] = []  # by number: itself, or what passes through it
    ops = []
    for number, json_op in enumerate(told["ops"]):
        kind, inputs = json_op["kind"], json_op.get("inputs", [])
        if kind in PASSED:
            stands_for.append(stands_for[inputs[0]])
        elif kind == "by_mode":
            stands_for.append(stands_for[inputs[1]])
        else:
            stands_for.append(number)
        settings = {k: v for k, v in json_op.items() if k not in ("kind", "inputs", "shape", "dtype", "layer")}
        seen = tuple(stands_for[i] for i in inputs)
        ops.append(Op(number, kind, seen, tuple(json_op["shape"]), json_op["dtype"], settings))
    outputs = tuple(stands_for[i] for i in told["outputs"])
    needed = set(outputs) | set(told["inputs"])
    for op in reversed(ops):
        if op.number in needed:
            needed.update(op.inputs)
    kept = tuple(op for op in ops if op.number in needed and stands_for[op.number] == op.number)
    return Graph(kept, tuple(told["inputs"]), outputs, arrays)
