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

from backpass import (
    _core,
    _moved,
    callbacks,
    data,
    layers,
    losses,
    models,
    ops,
    optimizers,
    tools,
    training,
)
from backpass._core import ThreadShortageWarning
from backpass._functions import *
from backpass._machine import available_isas, cpu_info, get_include, get_threads, isa, set_isa, set_threads
from backpass._names import suggest_keywords as _suggest_keywords
from backpass.callbacks import *
from backpass.data import *
from backpass.layers import *
from backpass.layers._plain import *
from backpass.losses import *
from backpass.models import *
from backpass.ops import *
from backpass.ops._numpy import teach_numpy as _teach_numpy
from backpass.optimizers import *
from backpass.tools import *
from backpass.training import *

if TYPE_CHECKING:
    from backpass import augment, datasets

__version__ = _core.version()

__all__ = [
    "ThreadShortageWarning",
    "__version__",
    "augment",
    "available_isas",
    "callbacks",
    "cpu_info",
    "data",
    "datasets",
    "get_include",
    "get_threads",
    "isa",
    "layers",
    "losses",
    "models",
    "ops",
    "optimizers",
    "set_isa",
    "set_threads",
    "tools",
    "training",
]
__all__ += callbacks.__all__
__all__ += data.__all__
__all__ += layers.__all__
__all__ += losses.__all__
__all__ += models.__all__
__all__ += ops.__all__
__all__ += optimizers.__all__
__all__ += tools.__all__
__all__ += training.__all__

for _name in ("Graph", "Plan", "Tensor"):  # where users find them, also in pickles and messages
    getattr(_core, _name).__module__ = "backpass"


def __getattr__(name: str) -> Any:
    if name in ("augment", "datasets"):  # imported when they are used, so that importing backpass stays quick
        return import_module(f"backpass.{name}")
    raise AttributeError(f"module 'backpass' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__


_moved.find()
_teach_numpy()
_suggest_keywords(globals().get(_name) for _name in __all__)
