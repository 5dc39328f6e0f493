"""Models as pure functions of their parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from backpass import _core, _functions
from backpass.functions import compile

if TYPE_CHECKING:
    from backpass._types import Array


def constant(value: Array, dtype: str) -> _core.Tensor:
    return _core.constant_values(np.array(value, np.float64, order="C"), dtype)


def functional(network: _core.Network, states: dict[str, Array], name: str) -> Any:
    """The function (parameters, *inputs) of a network, its states as they are now; in the type that it is traced in."""
    graphs = {network.dtype: network.graph}
    expected = [t.name for t in network.graph.ops if t.kind == "parameter"]
    kept = {key: np.array(value) for key, value in states.items()}

    def f(parameters: dict[str, Any], *inputs: Any) -> Any:
        if {*parameters} != {*expected}:
            raise ValueError(f"[functional] parameters must be a dict of {expected}, got {[*parameters]}")
        if len(inputs) != len(network.graph.inputs):
            raise ValueError(f"[functional] needs {len(network.graph.inputs)} inputs, got {len(inputs)}")
        dtype = next((t.dtype for t in [*parameters.values(), *inputs] if t.dtype != "int32"), network.dtype)
        if dtype not in graphs:
            graphs[dtype] = network.clone(dtype).graph
        graph = graphs[dtype]
        alone = all(len(x.shape) + 1 == len(t.shape) for x, t in zip(inputs, graph.inputs, strict=True))
        rows = [_functions.reshape(x, (1, *x.shape)) for x in inputs] if alone else [*inputs]
        leaves = [t for t in graph.ops if t.kind in ("parameter", "state")]
        values = [parameters[t.name] if t.kind == "parameter" else constant(kept[t.name], dtype) for t in leaves]
        ys = _core.transforms.substitute(graph.outputs, [*leaves, *graph.inputs], [*values, *rows])
        if alone:
            ys = [_functions.reshape(y, y.shape[1:]) for y in ys]
        return ys[0] if len(ys) == 1 else ys

    f.__name__ = f.__qualname__ = name
    return compile(f)
