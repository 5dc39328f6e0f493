"""Weights by name: from files, and from the tensors of others."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from backpass import _core
from backpass.models._foreign import reading


def load_weights(network: _core.Network, source: str | bytes | os.PathLike[str] | Mapping[str, Any]) -> None:
    """See `Network.load_weights`."""
    if isinstance(source, Mapping):
        network.load_arrays(_readable(source))
    elif isinstance(source, (str, bytes, os.PathLike)):
        reading("load_weights", source, network.load_weights)
    else:
        raise TypeError(f"[load_weights] source must be a path or a mapping of arrays, got {source!r}")


def arrays_of(source: str | bytes | os.PathLike[str] | Mapping[str, Any]) -> dict[str, Any]:
    """What it holds, by name."""
    if isinstance(source, Mapping):
        return _readable(source)
    if isinstance(source, (str, bytes, os.PathLike)):
        return reading("load_weights", source, _core.Network.read_weights)
    raise TypeError(f"[load_weights] source must be a path or a mapping of arrays, got {source!r}")


def _readable(source: Mapping[str, Any]) -> dict[str, Any]:
    return {_checked_name(name): _readable_array(name, value) for name, value in source.items()}


def _checked_name(name: Any) -> str:
    if not isinstance(name, str):
        raise TypeError(f"[load_weights] names must be strings, got {name!r}")
    return name


def _readable_array(name: str, value: Any) -> Any:
    """What the core can read: a tensor that takes part in a differentiation is taken out of it."""
    detached = value.detach() if hasattr(value, "detach") else value
    if not hasattr(detached, "__array__"):
        return detached
    try:
        return np.asanyarray(detached)
    except (TypeError, RuntimeError) as error:
        raise TypeError(f'[load_weights] "{name}" cannot be read as an array: {error}') from error
