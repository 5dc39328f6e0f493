"""Losses, penalties and metrics: what training makes small, and what it is judged by.

>>> import backpass as bp
>>> bp.losses.Huber(2.0)
Huber(delta=2.0)
"""

from typing import TYPE_CHECKING

from backpass.losses import _classification, _regression
from backpass.losses._classification import *
from backpass.losses._loss import JointLoss as JointLoss
from backpass.losses._loss import Loss as Loss
from backpass.losses._penalties import L1 as L1
from backpass.losses._penalties import L2 as L2
from backpass.losses._penalties import Penalty as Penalty
from backpass.losses._regression import *

if not TYPE_CHECKING:  # mypy reads no sums of lists; without one it follows the imports
    __all__ = ["L1", "L2", "JointLoss", "Loss", "Penalty"]
    __all__ += _classification.__all__ + _regression.__all__
