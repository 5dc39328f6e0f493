"""backpass: backpropagation for dense networks on CPUs, from a C++ core.

>>> import backpass as bp
>>> x, y = bp.datasets.load_digits()
>>> model = bp.Sequential(bp.Dense(32, activation="relu"), bp.Dense(10), seed=0)
>>> history = model.fit(x, y, loss=bp.CrossEntropy(), optimizer=bp.Adam(), epochs=3, metrics=["accuracy"])
>>> history["accuracy"][-1] > 0.8
True
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from backpass import _core
from backpass._activations import (
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
from backpass._adams import Adam, Adamax, AdamW, NAdam, RAdam
from backpass._averages import EMA, SWA
from backpass._branches import Add, Concat, Embedding, Flatten, Multiply
from backpass._callbacks import Callback
from backpass._checkpoint import Checkpoint
from backpass._classification_losses import BinaryCrossEntropy, CrossEntropy, Focal
from backpass._core import (
    DivergedError,
    Graph,
    NotFiniteError,
    Plan,
    Tensor,
    ThreadShortageWarning,
    abs,
    alpha_dropout,
    balanced_class_weights,
    broadcast_to,
    by_mode,
    concat,
    dropout,
    elu,
    erf,
    exp,
    gaussian_noise,
    gelu,
    gradients,
    greater,
    hardtanh,
    input,
    leaky_relu,
    log,
    log_sum_exp,
    matmul,
    maximum,
    mean,
    minimum,
    mish,
    norm,
    relu,
    relu6,
    reshape,
    selu,
    sigmoid,
    sign,
    silu,
    slice,
    softmax,
    softplus,
    sqrt,
    square,
    step,
    stop_gradient,
    sum,
    take,
    take_label,
    tanh,
    track,
    transpose,
)
from backpass._gradcheck import GradientError, gradcheck, hvp
from backpass._history import History
from backpass._layer import Layer
from backpass._layers import Dense, Dropout, Residual
from backpass._lbfgs import LBFGS
from backpass._losses import Loss
from backpass._machine import available_isas, cpu_info, get_include, get_threads, isa, set_isa, set_threads
from backpass._mistakes import UserMistakeWarning
from backpass._muon import Muon
from backpass._names import suggest_keywords as _suggest_keywords
from backpass._network import Network
from backpass._norms import AlphaDropout, BatchNorm, GaussianNoise, LayerNorm, RMSNorm
from backpass._numpy import teach_numpy as _teach_numpy
from backpass._optimizer import Group, Optimizer
from backpass._optimizers import SGD, Adadelta, Adagrad, Lion, RMSprop
from backpass._penalties import L1, L2, Penalty
from backpass._regression_losses import MAE, MSE, GaussianNLL, HalfMSE, Huber, LogCosh, Poisson, Quantile
from backpass._schedules import (
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
from backpass._sequential import Sequential, load
from backpass._streams import Stream
from backpass._tensors import Input, constant, parameter
from backpass._trainer import Trainer
from backpass._watchers import BoldDriver, EarlyStopping, RaiseOnSmallGradients, ReduceOnPlateau

if TYPE_CHECKING:
    from backpass import augment, datasets
    from backpass._arrow import arrow_dataset, arrow_file, parquet
    from backpass._learning_rate import LearningRateRange, find_learning_rate
    from backpass._search import SearchResult, search

__version__ = _core.version()

for _name in ("Graph", "Plan", "Tensor"):  # where users find them, also in pickles and messages
    getattr(_core, _name).__module__ = "backpass"


# Imported when they are used, so that importing backpass stays quick.
_LATER = {
    "LearningRateRange": "_learning_rate",
    "SearchResult": "_search",
    "arrow_dataset": "_arrow",
    "arrow_file": "_arrow",
    "find_learning_rate": "_learning_rate",
    "parquet": "_arrow",
    "search": "_search",
}


def __getattr__(name: str) -> Any:
    if name in ("augment", "datasets"):
        return import_module(f"backpass.{name}")
    if name in _LATER:
        return getattr(import_module(f"backpass.{_LATER[name]}"), name)
    raise AttributeError(f"module 'backpass' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__


__all__ = [
    "ELU",
    "EMA",
    "GELU",
    "L1",
    "L2",
    "LBFGS",
    "MAE",
    "MSE",
    "SELU",
    "SGD",
    "SWA",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Add",
    "AlphaDropout",
    "BatchNorm",
    "BinaryCrossEntropy",
    "BoldDriver",
    "Callback",
    "Checkpoint",
    "Concat",
    "ConstantRate",
    "CosineAnnealing",
    "CrossEntropy",
    "Dense",
    "DivergedError",
    "Dropout",
    "EarlyStopping",
    "Embedding",
    "ExponentialDecay",
    "Flatten",
    "Focal",
    "GaussianNLL",
    "GaussianNoise",
    "GradientError",
    "Graph",
    "Group",
    "HalfMSE",
    "Hardtanh",
    "History",
    "Huber",
    "Identity",
    "Input",
    "InverseSquareRoot",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "LearningRateRange",
    "Lion",
    "LogCosh",
    "Loss",
    "Mish",
    "MultiStepDecay",
    "Multiply",
    "Muon",
    "NAdam",
    "Network",
    "NotFiniteError",
    "OneCycle",
    "Optimizer",
    "Penalty",
    "Plan",
    "Poisson",
    "PolynomialDecay",
    "Quantile",
    "RAdam",
    "RMSNorm",
    "RMSprop",
    "RaiseOnSmallGradients",
    "ReLU",
    "ReLU6",
    "ReduceOnPlateau",
    "Residual",
    "Schedule",
    "SearchResult",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "StepDecay",
    "Stream",
    "Tanh",
    "Tensor",
    "ThreadShortageWarning",
    "Trainer",
    "UserMistakeWarning",
    "__version__",
    "abs",
    "alpha_dropout",
    "arrow_dataset",
    "arrow_file",
    "augment",
    "available_isas",
    "balanced_class_weights",
    "broadcast_to",
    "by_mode",
    "concat",
    "constant",
    "cpu_info",
    "datasets",
    "dropout",
    "elu",
    "erf",
    "exp",
    "find_learning_rate",
    "gaussian_noise",
    "gelu",
    "get_include",
    "get_threads",
    "gradcheck",
    "gradients",
    "greater",
    "hardtanh",
    "hvp",
    "input",
    "isa",
    "leaky_relu",
    "load",
    "log",
    "log_sum_exp",
    "matmul",
    "maximum",
    "mean",
    "minimum",
    "mish",
    "norm",
    "parameter",
    "parquet",
    "relu",
    "relu6",
    "reshape",
    "search",
    "selu",
    "set_isa",
    "set_threads",
    "sigmoid",
    "sign",
    "silu",
    "slice",
    "softmax",
    "softplus",
    "sqrt",
    "square",
    "step",
    "stop_gradient",
    "sum",
    "take",
    "take_label",
    "tanh",
    "track",
    "transpose",
]

_teach_numpy()
_suggest_keywords(globals().get(_name) for _name in __all__)
