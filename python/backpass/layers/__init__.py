"""Layers: what models are made of.

>>> import backpass as bp
>>> bp.layers.Dense(10, activation="relu")
Dense(units=10, activation='relu')
"""

from backpass.layers._activations import (
    ELU,
    GELU,
    SELU,
    Hardtanh,
    Identity,
    LeakyReLU,
    Mish,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from backpass.layers._branches import Add, Concat, Embedding, Flatten, Multiply
from backpass.layers._dense import Dense, Dropout, Residual
from backpass.layers._layer import Layer
from backpass.layers._norms import AlphaDropout, BatchNorm, GaussianNoise, LayerNorm, RMSNorm

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
    "Mish",
    "Multiply",
    "RMSNorm",
    "ReLU",
    "ReLU6",
    "Residual",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
]
