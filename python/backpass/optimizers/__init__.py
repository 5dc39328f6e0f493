"""Optimizers, and schedules of their learning rates.

>>> import backpass as bp
>>> bp.optimizers.SGD(0.1, schedule=bp.optimizers.StepDecay(10)).learning_rate
0.1
"""

from typing import TYPE_CHECKING

from backpass.optimizers import _adams, _muon, _schedules, _sgd
from backpass.optimizers._adams import *
from backpass.optimizers._lbfgs import LBFGS as LBFGS
from backpass.optimizers._muon import *
from backpass.optimizers._optimizer import Group as Group
from backpass.optimizers._optimizer import Optimizer as Optimizer
from backpass.optimizers._schedules import *
from backpass.optimizers._sgd import *

if not TYPE_CHECKING:  # mypy reads no sums of lists; without one it follows the imports
    __all__ = ["LBFGS", "Group", "Optimizer"]
    __all__ += _adams.__all__ + _muon.__all__ + _schedules.__all__ + _sgd.__all__
