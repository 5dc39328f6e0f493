"""All parameters as one array, wherever they live."""

from __future__ import annotations

from typing import Any

from backpass import _core


def write_flat(network: _core.Network, values: Any) -> None:
    """Parameters from one array (n_parameters), wherever they live."""
    if network.is_in_one_block:
        network.flat_parameters[:] = values
        return
    begin = 0
    for parameter in network.parameters().values():
        parameter[...] = values[begin : begin + parameter.size].reshape(parameter.shape)
        begin += parameter.size
