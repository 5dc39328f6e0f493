"""Tensors and the operations on them, of which graphs are made: `bp.ops.relu(x)` is `bp.relu(x)`.

>>> import backpass as bp
>>> x = bp.Input(2)
>>> bp.ops.softmax(x).shape
(None, 2)
"""

from typing import TYPE_CHECKING

from backpass import _functions
from backpass._core import Graph as Graph
from backpass._core import Plan as Plan
from backpass._core import Tensor as Tensor
from backpass._core import input as input
from backpass._core import manual_seed as manual_seed
from backpass._functions import *
from backpass.ops._eager import GradientTape as GradientTape
from backpass.ops._eager import Parameter as Parameter
from backpass.ops._eager import Variable as Variable
from backpass.ops._eager import enable_grad as enable_grad
from backpass.ops._eager import no_grad as no_grad
from backpass.ops._eager import tensor as tensor
from backpass.ops._tensors import Input as Input
from backpass.ops._tensors import constant as constant
from backpass.ops._tensors import parameter as parameter

if not TYPE_CHECKING:  # mypy reads no sums of lists; without one it follows the imports
    __all__ = [
        "GradientTape",
        "Graph",
        "Input",
        "Parameter",
        "Plan",
        "Tensor",
        "Variable",
        "constant",
        "enable_grad",
        "input",
        "manual_seed",
    ]
    __all__ += ["no_grad", "parameter", "tensor"]
    __all__ += _functions.__all__
