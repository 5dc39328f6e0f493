"""Training: the `Trainer`, step by step or for whole epochs, and what it raises and warns of.

>>> import backpass as bp
>>> model = bp.Sequential(bp.Dense(1), input_shape=2, seed=0)
>>> trainer = bp.training.Trainer(model, bp.MSE(), bp.SGD(0.1))
"""

from backpass._core import DivergedError, NotFiniteError
from backpass._warnings import UserMistakeWarning
from backpass.training._trainer import Trainer

__all__ = [
    "DivergedError",
    "NotFiniteError",
    "Trainer",
    "UserMistakeWarning",
]
