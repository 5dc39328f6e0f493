"""Callbacks: what looks at a fit after each epoch, and acts on it; and its history.

>>> import backpass as bp
>>> bp.callbacks.EMA(0.99)
EMA(decay=0.99, start=0, apply=True)
"""

from backpass.callbacks._averages import EMA, SWA
from backpass.callbacks._callback import Callback
from backpass.callbacks._checkpoint import Checkpoint
from backpass.callbacks._history import History
from backpass.callbacks._watchers import BoldDriver, EarlyStopping, RaiseOnSmallGradients, ReduceOnPlateau

__all__ = [
    "EMA",
    "SWA",
    "BoldDriver",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "History",
    "RaiseOnSmallGradients",
    "ReduceOnPlateau",
]
