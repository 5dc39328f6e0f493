"""Layers: what models are made of.

>>> import backpass as bp
>>> bp.layers.Dense(10, activation="relu")
Dense(units=10, activation='relu')
"""

from backpass.layers import _plain
from backpass.layers._activations import ELU, GELU, SELU, Hardtanh, Identity, LeakyReLU, ReLU6, Softmax
from backpass.layers._branches import Add, Concat, Embedding, Flatten, Multiply
from backpass.layers._dense import Dense, Dropout, Residual
from backpass.layers._layer import Layer
from backpass.layers._norms import AlphaDropout, BatchNorm, GaussianNoise, LayerNorm, RMSNorm
from backpass.layers._plain import *

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "Add",
    "AlphaDropout",
    "BatchNorm",
    "Concat",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GaussianNoise",
    "Hardtanh",
    "Identity",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "Multiply",
    "RMSNorm",
    "ReLU6",
    "Residual",
    "Softmax",
]
__all__ += _plain.__all__
