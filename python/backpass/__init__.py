"""backpass: backpropagation for dense networks on CPUs, from a C++ core.

>>> import backpass as bp
>>> x, y = bp.datasets.load_digits()
>>> model = bp.Sequential(bp.Dense(32, activation="relu"), bp.Dense(10), seed=0)
>>> history = model.fit(x, y, loss=bp.CrossEntropy(), optimizer=bp.Adam(), epochs=3, metrics=["accuracy"])
>>> history["accuracy"][-1] > 0.8
True

Each room (`layers`, `losses`, ...) lists its names in its `__all__`, and all of them are here too.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from backpass import _core, _machine, _moved
from backpass import callbacks as callbacks
from backpass import data as data
from backpass import functions as functions
from backpass import layers as layers
from backpass import losses as losses
from backpass import models as models
from backpass import ops as ops
from backpass import optimizers as optimizers
from backpass import tools as tools
from backpass import training as training
from backpass import tree as tree
from backpass._core import ThreadShortageWarning as ThreadShortageWarning
from backpass._functions import *
from backpass._machine import *
from backpass._names import missing_name as _missing_name
from backpass._names import suggest_keywords as _suggest_keywords
from backpass.callbacks import *
from backpass.data import *
from backpass.functions import *
from backpass.layers import *
from backpass.losses import *
from backpass.models import *
from backpass.ops import *
from backpass.ops._methods import teach_methods as _teach_methods
from backpass.ops._numpy import teach_numpy as _teach_numpy
from backpass.optimizers import *
from backpass.tools import *
from backpass.training import *

if TYPE_CHECKING:
    from backpass import augment as augment
    from backpass import datasets as datasets
    from backpass import linalg as linalg

__version__ = _core.version()

for _name in ("Graph", "Plan", "Tensor"):  # where users find them, also in pickles and messages
    getattr(_core, _name).__module__ = "backpass"

_moved.find()
_teach_numpy()
_teach_methods()

# Type checkers follow the imports: mypy reads no sums of lists, and would take a misspelt name for one of __getattr__.
if not TYPE_CHECKING:
    __all__ = [
        "ThreadShortageWarning",
        "__version__",
        "augment",
        "callbacks",
        "data",
        "datasets",
        "functions",
        "layers",
        "linalg",
        "losses",
        "models",
        "ops",
        "optimizers",
        "tools",
        "training",
        "tree",
    ]
    __all__ += _machine.__all__
    for _room in (callbacks, data, functions, layers, losses, models, ops, optimizers, tools, training):
        __all__ += _room.__all__

    def __getattr__(name: str) -> Any:
        if name in (
            "augment",
            "datasets",
            "linalg",
        ):  # imported when they are used, so that importing backpass stays quick
            return import_module(f"backpass.{name}")
        raise _missing_name(name, __all__)

    def __dir__() -> list[str]:
        return __all__

    _suggest_keywords(globals().get(_name) for _name in __all__)
