"""Weights of PyTorch's networks of images, whose channels come first there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from backpass._types import Array
from backpass.models._model import Model

_COUNTERS = "num_batches_tracked"  # of PyTorch's BatchNorm: nothing here reads it


def load_torch(model: Any, state_dict: Mapping[str, Any]) -> None:
    """Loads the weights of a PyTorch module of the same layers into a model with channels last.

    Filters, of three and more dimensions, are turned from (out, in, ...) to (out, ..., in); the columns of a `Dense`
    behind a `Flatten` of images or series, from channels first to channels last. All else is as in PyTorch. Names may
    differ: layers that have weights are matched in their order, and within them by name.

    Args:
        model: a model of this package.
        state_dict: what the module's `state_dict()` gives, tensors or arrays.

    Raises:
        TypeError: if it is no model.
        ValueError: if there are more or fewer layers with weights, or a name or a shape does not fit. Then nothing has
            changed.

    Example:
        >>> import numpy as np
        >>> import backpass as bp
        >>> from backpass.exchange import load_torch
        >>> model = bp.Sequential(bp.Conv2d(2, 3, activation="relu"), bp.Flatten(), bp.Dense(4), input_shape=(5, 5, 1))
        >>> theirs = {"0.weight": np.ones((2, 1, 3, 3)), "0.bias": np.zeros(2)}
        >>> theirs |= {"3.weight": np.ones((4, 18)), "3.bias": np.zeros(4)}
        >>> load_torch(model, theirs)
        >>> model.predict(np.ones((1, 5, 5, 1))).tolist()
        [[162.0, 162.0, 162.0, 162.0]]
    """
    network = _checked("load_torch", model)
    given = {name: np.asarray(value) for name, value in state_dict.items() if not name.endswith(_COUNTERS)}
    own = network.state_dict()
    images = _images_behind(network)
    network.load_state_dict(
        {name: _ours(given[theirs], own[name], images.get(name)) for name, theirs in _matched(own, given).items()}
    )


def to_torch(model: Any) -> dict[str, Array]:
    """The weights of a model in the order of axes that PyTorch has: what `load_torch` takes, under the model's names.

    Args:
        model: a model of this package.

    Returns:
        Arrays by name, for `module.load_state_dict` of tensors of them.

    Raises:
        TypeError: if it is no model.

    Example:
        >>> import backpass as bp
        >>> from backpass.exchange import to_torch
        >>> model = bp.Sequential(bp.Conv2d(2, 3), input_shape=(5, 5, 1), seed=0)
        >>> to_torch(model)["0.weight"].shape
        (2, 1, 3, 3)
    """
    network = _checked("to_torch", model)
    images = _images_behind(network)
    return {name: _theirs(value, images.get(name)) for name, value in network.state_dict().items()}


def _checked(who: str, model: Any) -> Model:
    if not isinstance(model, Model):
        raise TypeError(f"[{who}] takes a model of backpass, got {type(model).__name__}")
    return model


def _images_behind(network: Model) -> dict[str, tuple[int, ...]]:
    """Of weights of `Dense` layers behind a `Flatten`: the shape, channels last, that it has flattened."""
    layers = {layer["name"]: layer for layer in network._built().layers}
    found = {}
    for layer in layers.values():
        before = layers.get(layer["inputs"][0]) if layer["type"] == "Dense" and layer["inputs"] else None
        while before and before["type"] != "Flatten" and before["n_parameters"] == 0 and before["inputs"]:
            before = layers.get(before["inputs"][0])
        source = before["inputs"][0] if before and before["type"] == "Flatten" else None
        if source is not None:
            shape = layers[source]["output_shape"] if source in layers else _input_shape(network, source)
            if len(shape) > 2:
                found[f"{layer['name']}.weight"] = tuple(shape[1:])
    return found


def _input_shape(network: Model, name: str) -> tuple[Any, ...]:
    shapes: dict[str, tuple[Any, ...]] = {x.name: tuple(x.shape) for x in network._built().graph.inputs}
    return shapes.get(name, ())


def _matched(own: dict[str, Array], given: dict[str, Array]) -> dict[str, str]:
    """For each of our names, theirs."""
    if own.keys() == given.keys():
        return {name: name for name in own}
    ours, theirs = _by_layer(own), _by_layer(given)
    if len(ours) != len(theirs):
        raise ValueError(
            f"[load_torch] the model has {len(ours)} layers with weights, {', '.join(ours)}; the state dict has "
            f"{len(theirs)}, {', '.join(theirs)}"
        )
    matched: dict[str, str] = {}
    for (layer, names), (other, others) in zip(ours.items(), theirs.items(), strict=True):
        if set(names) != set(others):
            raise ValueError(f"[load_torch] layer {layer!r} has {sorted(names)}, {other!r} has {sorted(others)}")
        matched |= {names[each]: others[each] for each in names}
    return matched


def _by_layer(arrays: dict[str, Array]) -> dict[str, dict[str, str]]:
    """Names within each layer, and the whole ones; layers in order."""
    layers: dict[str, dict[str, str]] = {}
    for name in arrays:
        layer, _, own = name.rpartition(".")
        layers.setdefault(layer, {})[own] = name
    if all(part.isdecimal() for layer in layers for part in layer.split(".")):  # states may come behind all parameters
        return {layer: layers[layer] for layer in sorted(layers, key=lambda each: [*map(int, each.split("."))])}
    return layers


def _ours(value: Array, own: Array, images: tuple[int, ...] | None) -> Array:
    if value.ndim > 2 and np.moveaxis(value, 1, -1).shape == own.shape:
        return np.moveaxis(value, 1, -1)
    if images is not None and value.shape == own.shape:
        *places, channels = images
        return np.moveaxis(value.reshape(-1, channels, *places), 1, -1).reshape(value.shape)
    return value


def _theirs(value: Array, images: tuple[int, ...] | None) -> Array:
    if value.ndim > 2:
        return np.ascontiguousarray(np.moveaxis(value, -1, 1))
    if images is not None:
        return np.moveaxis(value.reshape(-1, *images), -1, 1).reshape(value.shape)
    return value
