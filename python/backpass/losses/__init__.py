"""Losses, penalties and metrics: what training makes small, and what it is judged by.

>>> import backpass as bp
>>> bp.losses.Huber(2.0)
Huber(delta=2.0)
"""

from backpass.losses._classification import BinaryCrossEntropy, CrossEntropy, Focal
from backpass.losses._loss import Loss
from backpass.losses._penalties import L1, L2, Penalty
from backpass.losses._regression import MAE, MSE, GaussianNLL, HalfMSE, Huber, LogCosh, Poisson, Quantile

__all__ = [
    "L1",
    "L2",
    "MAE",
    "MSE",
    "BinaryCrossEntropy",
    "CrossEntropy",
    "Focal",
    "GaussianNLL",
    "HalfMSE",
    "Huber",
    "LogCosh",
    "Loss",
    "Penalty",
    "Poisson",
    "Quantile",
]
