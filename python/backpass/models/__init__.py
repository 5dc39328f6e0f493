"""Models: graphs with their parameters, which train, predict, and are saved.

>>> import backpass as bp
>>> bp.models.Sequential(bp.Dense(3), input_shape=2).n_parameters
9
"""

from backpass.models._module import Module
from backpass.models._network import Network
from backpass.models._sequential import Sequential, load

__all__ = [
    "Module",
    "Network",
    "Sequential",
    "load",
]
