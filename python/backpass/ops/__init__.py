"""Tensors and the operations on them, of which graphs are made: `bp.ops.relu(x)` is `bp.relu(x)`.

>>> import backpass as bp
>>> x = bp.Input(2)
>>> bp.ops.softmax(x).shape
(None, 2)
"""

from backpass import _functions
from backpass._core import Graph, Plan, Tensor, input
from backpass._functions import *
from backpass.ops._tensors import Input, constant, parameter

__all__ = ["Graph", "Input", "Plan", "Tensor", "constant", "input", "parameter"]
__all__ += _functions.__all__
