"""The four equations of backpropagation, layer by layer: what a model computes on its way, for people to look at.

The layers are composed once more, with every value in between as an output of the graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from backpass import _core
from backpass._layers import ELU, GELU, Dense, Dropout, Hardtanh, Layer, LeakyReLU
from backpass._losses import Loss, native_loss

if TYPE_CHECKING:
    from backpass._network import Network
    from backpass._types import Array, ArrayLike

PLAIN = (
    "relu",
    "leaky_relu",
    "sigmoid",
    "tanh",
    "softplus",
    "elu",
    "selu",
    "silu",
    "mish",
    "hardtanh",
    "relu6",
    "softmax",
)


class Trace:
    """The tensors of a model between input and output, and what their gradients belong to."""

    def __init__(self, model: Network, layers: tuple[Layer, ...], x: Array) -> None:
        self.dtype, self.values = model.dtype, model.parameters()
        self.inputs = [_core.input(x.shape, self.dtype, "x")]
        self.arrays: list[ArrayLike] = [x]
        self.layers: list[dict[str, _core.Tensor]] = []
        self.streams = 0
        tensor = self.inputs[0]
        for index, layer in enumerate(layers):
            z = self._linear(layer, index, tensor)
            tensor = self._activated(layer, z)
            self.layers[-1].update(z=z, a=tensor)
        self.output = tensor

    def _leaf(self, name: str, array: ArrayLike, dtype: str) -> _core.Tensor:
        self.inputs.append(_core.input(np.shape(array), dtype, name))
        self.arrays.append(array)
        return self.inputs[-1]

    def _linear(self, layer: Layer, index: int, x: _core.Tensor) -> _core.Tensor:
        self.layers.append({})
        if not isinstance(layer, Dense):
            return x
        weight = self._leaf(f"{index}.weight", self.values[f"{index}.weight"], self.dtype)
        self.layers[-1]["weight"] = weight
        z = _core.matmul(x, weight, transpose_b=True)
        if not layer.bias:
            return z
        self.layers[-1]["bias"] = self._leaf(f"{index}.bias", self.values[f"{index}.bias"], self.dtype)
        return z + self.layers[-1]["bias"]

    def _activated(self, layer: Layer, z: _core.Tensor) -> _core.Tensor:
        if isinstance(layer, Dropout):
            self.streams += 1
            return _core.dropout(z, layer.rate, self.streams - 1)
        if isinstance(layer, LeakyReLU):
            return _core.leaky_relu(z, layer.slope)
        if isinstance(layer, ELU):
            return _core.elu(z, layer.alpha)
        if isinstance(layer, Hardtanh):
            return _core.hardtanh(z, layer.min, layer.max)
        if isinstance(layer, GELU):
            return _core.gelu(z, layer.approximate)
        if isinstance(layer, Dense) and layer.activation in ("gelu", "gelu_tanh"):
            return _core.gelu(z, "tanh" if layer.activation == "gelu_tanh" else "none")
        name = (layer.activation or "") if isinstance(layer, Dense) else type(layer).__name__.lower()
        function = getattr(_core, name) if name in PLAIN else (lambda tensor: tensor)
        return function(z)  # type: ignore[no-any-return]


def backprop(model: Network, x: ArrayLike, y: ArrayLike, loss: Loss) -> list[dict[str, Array]]:
    """See `Sequential.backprop`."""
    from backpass._sequential import Sequential

    native = native_loss("backprop", loss)
    if not isinstance(model, Sequential):
        raise TypeError("[backprop] model must be a Sequential: a graph has no layers")
    with model._built_for(x, "backprop"):
        value, gradient = native.value_and_grad(model.forward(x, training=False), y, None)
        del value, gradient  # whatever does not fit in x or y has been refused by now
        trace = Trace(model, model.layers, np.asarray(x, dtype=model.dtype))
        seed = trace._leaf("y", *_target(trace, native, y))
        return _run(trace, native.build(trace.output, seed), model)


def _target(trace: Trace, loss: _core.Loss, y: ArrayLike) -> tuple[Array, str]:
    array = np.asarray(y)
    if loss.takes_labels and array.ndim == 1 and array.dtype.kind in "iub":
        return array.astype(np.int32), "int32"
    return array.astype(trace.dtype).reshape([int(dim or 0) for dim in trace.output.shape]), trace.dtype


def _run(trace: Trace, value: _core.Tensor, model: Network) -> list[dict[str, Array]]:
    names = [(i, name) for i, layer in enumerate(trace.layers) for name in layer]
    wanted = [trace.layers[i][name] for i, name in names]
    gradients = _core.gradients(value, wanted)
    outputs: list[_core.Tensor] = []
    places: list[tuple[int, str]] = []
    for (i, name), tensor, gradient in zip(names, wanted, gradients, strict=True):
        if name in ("z", "a"):
            outputs.append(tensor)
            places.append((i, name))
        if name != "a":
            outputs.append(gradient)
            places.append((i, "delta" if name == "z" else name))
    arrays = _core.Graph(trace.inputs, outputs)(*trace.arrays, training=True, seed=model.seed or 0)
    result: list[dict[str, Array]] = [{} for _ in trace.layers]
    for (i, name), array in zip(places, arrays, strict=True):
        result[i][name] = array
    return result
