"""Layers: what models are made of.

>>> import backpass as bp
>>> bp.layers.Dense(10, activation="relu")
Dense(units=10, activation='relu')
"""

from typing import TYPE_CHECKING

from backpass.layers import (
    _activations,
    _attention,
    _branches,
    _convolutions,
    _dense,
    _images,
    _norms,
    _plain,
    _pooling,
    _recurrent,
    _recurrent_cells,
    _transformers,
)
from backpass.layers._activations import *
from backpass.layers._attention import *
from backpass.layers._branches import *
from backpass.layers._convolutions import *
from backpass.layers._dense import *
from backpass.layers._images import *
from backpass.layers._layer import Layer as Layer
from backpass.layers._norms import *
from backpass.layers._plain import *
from backpass.layers._pooling import *
from backpass.layers._recurrent import *
from backpass.layers._recurrent_cells import *
from backpass.layers._transformers import *

if not TYPE_CHECKING:  # mypy reads no sums of lists; without one it follows the imports
    __all__ = ["Layer"]
    __all__ += _activations.__all__ + _attention.__all__ + _branches.__all__ + _convolutions.__all__
    __all__ += _dense.__all__ + _images.__all__ + _norms.__all__ + _plain.__all__ + _pooling.__all__
    __all__ += _recurrent.__all__ + _recurrent_cells.__all__ + _transformers.__all__
