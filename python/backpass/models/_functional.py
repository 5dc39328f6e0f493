"""Models as pure functions of their parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass import _core, _functions
from backpass.functions import compile
from backpass.functions._transform import as_tensor

if TYPE_CHECKING:
    from backpass._types import Array


def functional(network: _core.Network, states: dict[str, Array], name: str) -> Any:
    """The function (parameters, *inputs) of a network, its states as they are now; in the type that it is traced in."""
    kept = {key: np.array(value) for key, value in states.items()}
    made = Rebuilt(network)

    def f(parameters: dict[str, Any], *inputs: Any) -> Any:
        ys, _ = made(parameters, kept, inputs)
        return ys[0] if len(ys) == 1 else ys

    return named(f, name)


def in_training(network: _core.Network, name: str) -> Any:
    """The function (parameters, states, *inputs) of a network as training computes it, and the new states."""
    made = Rebuilt(network)

    def f(parameters: dict[str, Any], states: dict[str, Any], *inputs: Any) -> Any:
        ys, moved = made(parameters, states, inputs, training=True)
        return ys[0] if len(ys) == 1 else ys, moved

    return named(f, name)


def named(f: Any, name: str) -> Any:
    f.__name__ = f.__qualname__ = name
    return compile(f)


class Rebuilt:
    """A network's graph, with other tensors in the place of its leaves and inputs at each call."""

    def __init__(self, network: _core.Network) -> None:
        self.network = network
        self.graphs = {network.dtype: network.graph}  # by type

    def graph_for(self, values: Sequence[Any]) -> _core.Graph:
        """That of the type of the first real tensor."""
        tensors = [t for t in values if isinstance(t, _core.Tensor)]
        dtype = next((t.dtype for t in tensors if t.dtype != "int32"), self.network.dtype)
        if dtype not in self.graphs:
            self.graphs[dtype] = self.network.clone(dtype).graph
        return self.graphs[dtype]

    def __call__(
        self, parameters: dict[str, Any], states: dict[str, Any], inputs: Sequence[Any], training: bool = False
    ) -> tuple[list[_core.Tensor], dict[str, Any]]:
        """The outputs, of rows where the inputs are rows; and the states, moved in training."""
        graph = self.graph_for([*(parameters.values() if isinstance(parameters, dict) else ()), *inputs])
        trained = taken("parameters", graph, "parameter", parameters)
        before = taken("states", graph, "state", states)
        if len(inputs) != len(graph.inputs):
            raise ValueError(f"[functional] needs {len(graph.inputs)} inputs, got {len(inputs)}")
        inputs = [as_tensor(x, t.dtype) for x, t in zip(inputs, graph.inputs, strict=True)]
        alone = all(len(x.shape) + 1 == len(t.shape) for x, t in zip(inputs, graph.inputs, strict=True))
        rows = [_functions.reshape(x, (1, *x.shape)) for x in inputs] if alone else [*inputs]
        replaced = [t for kind in ("parameter", "state") for t in graph.ops if t.kind == kind]
        given = [*trained.values(), *before.values(), *rows]
        ys = _core.transforms.substitute(graph.outputs, [*replaced, *graph.inputs], given)
        moves: dict[int, Any] = {}
        if training:
            ys, found = _core.transforms.in_training(ys)
            moves = {state.id: moved for state, moved in found}
        if alone:
            ys = [_functions.reshape(y, y.shape[1:]) for y in ys]
        return ys, {name: moves.get(value.id, value) for name, value in before.items()}


def taken(what: str, graph: _core.Graph, kind: str, values: Any) -> dict[str, _core.Tensor]:
    """The values of a dict in the order of a graph's leaves of a kind, all of which it must name."""
    leaves = {t.name: t.dtype for t in graph.ops if t.kind == kind}
    if not isinstance(values, dict) or {*values} != {*leaves}:
        got = [*values] if isinstance(values, dict) else values
        raise ValueError(f"[functional] {what} must be a dict of {[*leaves]}, got {got!r:.200}")
    return {name: as_tensor(values[name], dtype) for name, dtype in leaves.items()}
