"""Modules by the names that they had before there were rooms: pickles of then name them."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# For each room: its modules of then, and of today where those are called otherwise.
MOVED = {
    "_activations": "layers._activations",
    "_adams": "optimizers._adams",
    "_arrow": "data._arrow",
    "_averages": "callbacks._averages",
    "_backprop": "training._backprop",
    "_branches": "layers._branches",
    "_callbacks": "callbacks._callback",
    "_checkpoint": "callbacks._checkpoint",
    "_class_weights": "data._class_weights",
    "_classification_losses": "losses._classification",
    "_cli": "tools._cli",
    "_curves": "callbacks._curves",
    "_data": "data._data",
    "_digits": "tools._digits",
    "_equal_units": "models._equal_units",
    "_fixed": "layers._fixed",
    "_foreign": "models._foreign",
    "_gradcheck": "tools._gradcheck",
    "_history": "callbacks._history",
    "_layer": "layers._layer",
    "_layers": "layers._dense",
    "_lbfgs": "optimizers._lbfgs",
    "_learning_rate": "tools._learning_rate",
    "_losses": "losses._loss",
    "_metrics": "losses._metrics",
    "_mistakes": "_warnings",  # of which pickles name a class
    "_muon": "optimizers._muon",
    "_network": "models._network",
    "_norms": "layers._norms",
    "_numpy": "ops._numpy",
    "_objective": "training._objective",
    "_optimizer": "optimizers._optimizer",
    "_optimizers": "optimizers._sgd",
    "_own_optimizer": "optimizers._own_optimizer",
    "_penalties": "losses._penalties",
    "_picture": "tools._picture",
    "_progress": "callbacks._progress",
    "_regression_losses": "losses._regression",
    "_schedules": "optimizers._schedules",
    "_search": "tools._search",
    "_sequential": "models._sequential",
    "_split": "data._split",
    "_stalled": "training._stalled",
    "_streams": "data._streams",
    "_summary": "models._summary",
    "_tables": "data._tables",
    "_tensors": "ops._tensors",
    "_trainer": "training._trainer",
    "_training": "models._network",
    "_watchers": "callbacks._watchers",
    "_weights": "models._weights",
}


class _Finder:
    """Asked last, so that it costs nothing until such a name is imported."""

    @staticmethod
    def find_spec(name: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        old = name.removeprefix("backpass.")
        return ModuleSpec(name, _Finder) if old != name and old in MOVED else None  # type: ignore[arg-type]

    @staticmethod
    def create_module(spec: ModuleSpec) -> None:
        """The import system makes an empty one."""

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """Puts the module of today in its place, as the import system allows."""
        name = module.__name__
        sys.modules[name] = import_module(f"backpass.{MOVED[name.removeprefix('backpass.')]}")


def find() -> None:
    """From now on `import backpass._layers`, as pickles of then do, finds what is there today."""
    sys.meta_path.append(_Finder)
