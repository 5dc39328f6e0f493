"""Optimizers, and schedules of their learning rates.

>>> import backpass as bp
>>> bp.optimizers.SGD(0.1, schedule=bp.optimizers.StepDecay(10)).learning_rate
0.1
"""

from backpass.optimizers._adams import Adam, Adamax, AdamW, NAdam, RAdam
from backpass.optimizers._lbfgs import LBFGS
from backpass.optimizers._muon import Muon
from backpass.optimizers._optimizer import Group, Optimizer
from backpass.optimizers._schedules import (
    ConstantRate,
    CosineAnnealing,
    ExponentialDecay,
    InverseSquareRoot,
    MultiStepDecay,
    OneCycle,
    PolynomialDecay,
    Schedule,
    StepDecay,
)
from backpass.optimizers._sgd import SGD, Adadelta, Adagrad, Lion, RMSprop

__all__ = [
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "ConstantRate",
    "CosineAnnealing",
    "ExponentialDecay",
    "Group",
    "InverseSquareRoot",
    "Lion",
    "MultiStepDecay",
    "Muon",
    "NAdam",
    "OneCycle",
    "Optimizer",
    "PolynomialDecay",
    "RAdam",
    "RMSprop",
    "Schedule",
    "StepDecay",
]
