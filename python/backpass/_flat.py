"""All parameters as one array, wherever they live."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

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


def flat_gradient(network: _core.Network) -> npt.NDArray[np.float64]:
    """The gradient by all parameters, a fresh array; 0 for what is frozen, whatever another network has left there."""
    if not network.frozen:
        return network.flat_gradients.astype(np.float64)
    frozen = set(network.frozen)
    kept = {name: np.zeros(g.size) if name in frozen else g.ravel() for name, g in network.gradients().items()}
    return np.concatenate([np.empty(0), *kept.values()])
