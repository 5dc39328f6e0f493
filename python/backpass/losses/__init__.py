"""Losses, penalties and metrics: what training makes small, and what it is judged by.

>>> import backpass as bp
>>> bp.losses.Huber(2.0)
Huber(delta=2.0)
"""

from backpass.losses import _classification, _regression
from backpass.losses._classification import *
from backpass.losses._loss import Loss
from backpass.losses._penalties import L1, L2, Penalty
from backpass.losses._regression import *

__all__ = ["L1", "L2", "Loss", "Penalty"]
__all__ += _classification.__all__
__all__ += _regression.__all__
