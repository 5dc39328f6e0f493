"""Watchers: callbacks that look at the results of an epoch and act on the training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from backpass import _checks, _core
from backpass._sealed import Sealed
from backpass.callbacks._callback import Callback
from backpass.callbacks._history import check_column

if TYPE_CHECKING:
    from backpass._types import Logs
    from backpass.training._trainer import Trainer

MODES = ("auto", "min", "max")


class _Watcher(Sealed, Callback):
    """A callback over a watcher of the core."""

    _native: _core.Watcher
    _instead = "make another callback"

    def __init__(self, **settings: Any) -> None:
        kind = next(cls.__name__ for cls in type(self).__mro__ if cls.__module__ == __name__)
        self._settings = settings
        self._native = getattr(_core, kind)(**settings)

    def __getstate__(self) -> dict[str, Any]:
        own = {name: value for name, value in vars(self).items() if name != "_native"}
        return {"own": own, "state": self.state()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        _Watcher.__init__(self, **state["own"]["_settings"])
        self.__dict__.update(state["own"])
        self.load_state(state["state"])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._settings.items())})"

    def _check_columns(self, columns: Sequence[str]) -> None:
        if "monitor" in self._settings:
            check_column(type(self).__name__, "monitor", self._settings["monitor"], columns)

    def on_fit_begin(self, trainer: Trainer, logs: Logs) -> None:
        """Forgets what belongs to an earlier fit."""
        self._native.fit_begin()

    def on_epoch_begin(self, trainer: Trainer, logs: Logs) -> None:
        """Keeps what a column of training will tell of."""
        if trainer.optimizer._makes_steps:
            self._native.epoch_begin(trainer.model._built(), trainer.optimizer._native)

    def on_epoch_end(self, trainer: Trainer, logs: Logs) -> None:
        """Looks at the results."""
        if self._native.epoch_end(trainer.model._built(), trainer.optimizer._native, logs):
            trainer.stop()

    def on_fit_end(self, trainer: Trainer, logs: Logs) -> None:
        """Leaves the model as this watcher wants it."""
        self._native.fit_end(trainer.model._built())

    def state(self) -> dict[str, Any]:
        """What it knows: numbers and arrays by name."""
        return self._native.state()

    def load_state(self, state: dict[str, Any]) -> None:
        """Continues from what `state` returned."""
        _checks.state(type(self).__name__, state)
        for name in state:
            _checks.text(type(self).__name__, "a name in state", name)
        self._native.load_state(state)


class EarlyStopping(_Watcher):
    """Stops when a column has not improved for some epochs, and restores the best weights.

    A "val_" column describes the weights at the end of its epoch. A training column is measured along the way, batch by
    batch, so the weights restored are those that the epoch began with. With one batch per epoch they are exactly those
    of the best value. With `LBFGS` every column describes the end of its epoch.

    Args:
        monitor: the column: "val_loss", "loss", or a metric.
        patience: how many epochs without improvement to wait.
        restore_best: whether the model ends with the weights that the best value belongs to, bit for bit.
        mode: "max" where the column shall rise, "min" where it shall fall; "auto": metrics of ours of which
            more is better shall rise, all others fall.
        min_delta: by how much a value must be better than the best one to count.
        start_epoch: earlier epochs are ignored.

    Attributes:
        best: the best value; None before the first one that is not nan.
        best_epoch: its epoch, from 0; -1 before the first epoch.

    Raises:
        ValueError: if a setting is out of range; in fit, if there is no such column.

    Example:
        >>> import backpass as bp
        >>> stopping = bp.EarlyStopping(monitor="loss", patience=2)
        >>> model = bp.Sequential(bp.Dense(1), seed=0)
        >>> history = model.fit([[1.0]], [[2.0]], loss=bp.MSE(), optimizer=bp.SGD(1.5), epochs=50,
        ...                     callbacks=[stopping])
        >>> stopping.best_epoch, history.epochs
        (0, 3)
    """

    _native: _core.EarlyStopping
    monitor: str
    patience: int
    restore_best: bool

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 5,
        restore_best: bool = True,
        *,
        mode: str = "auto",
        min_delta: float = 0.0,
        start_epoch: int = 0,
    ) -> None:
        self._keep(monitor=monitor)
        self._keep(patience=_checks.integer("EarlyStopping", "patience", patience, minimum=0, bits=32))
        self._keep(restore_best=_checks.flag("EarlyStopping", "restore_best", restore_best))
        super().__init__(
            monitor=monitor,
            patience=self.patience,
            restore_best=self.restore_best,
            mode=_checks.choice("EarlyStopping", "mode", mode, MODES),
            min_delta=_checks.number("EarlyStopping", "min_delta", min_delta),
            start_epoch=_checks.integer("EarlyStopping", "start_epoch", start_epoch, minimum=0, bits=32),
        )

    @property
    def best(self) -> float | None:
        """The best value; None before the first epoch."""
        return self._native.best

    @property
    def best_epoch(self) -> int:
        """Where it was, from 0; -1 before the first epoch."""
        return self._native.best_epoch


class ReduceOnPlateau(_Watcher):
    """Multiplies the learning rate by `factor` when a column has not improved for more than `patience` epochs.

    PyTorch's ReduceLROnPlateau. It remembers from one fit to the next.

    Args:
        monitor: the column: "val_loss", "loss", or a metric.
        factor: above 0 and below 1.
        patience: how many epochs without improvement are tolerated.
        threshold: by how much a value must be better than the best one to count.
        threshold_mode: "rel": as a part of the best value's size, which may be negative; "abs": as it is.
        cooldown: how many epochs after a reduction are not counted.
        minimum: the rate never falls below it.
        mode: "auto", "min" or "max", as for `EarlyStopping`.

    Raises:
        ValueError: if a setting is out of range; in fit, if there is no such column.

    Example:
        >>> import backpass as bp
        >>> model, sgd = bp.Sequential(bp.Dense(1), seed=0), bp.SGD(2.0)
        >>> history = model.fit([[1.0]], [[2.0]], loss=bp.MSE(), optimizer=sgd, epochs=4,
        ...                     callbacks=[bp.ReduceOnPlateau(monitor="loss", factor=0.1, patience=1)])
        >>> sgd.learning_rate
        0.2
    """

    _acts_on_steps = True

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        *,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        minimum: float = 0.0,
        mode: str = "auto",
    ) -> None:
        super().__init__(
            monitor=monitor,
            factor=_checks.number("ReduceOnPlateau", "factor", factor),
            patience=_checks.integer("ReduceOnPlateau", "patience", patience, minimum=0, bits=32),
            threshold=_checks.number("ReduceOnPlateau", "threshold", threshold),
            threshold_mode=_checks.choice("ReduceOnPlateau", "threshold_mode", threshold_mode, ("rel", "abs")),
            cooldown=_checks.integer("ReduceOnPlateau", "cooldown", cooldown, minimum=0, bits=32),
            minimum=_checks.number("ReduceOnPlateau", "minimum", minimum),
            mode=_checks.choice("ReduceOnPlateau", "mode", mode, MODES),
        )


class BoldDriver(_Watcher):
    """Raises the learning rate when the loss fell; when it rose, cuts the rate and undoes the steps.

    Weights and the optimizer's state go back to where the last accepted loss was measured: for a loss of training the
    start of its epoch, for "val_loss" the end (Vogl et al. 1988; Battiti 1989). Meant for full batches.

    Args:
        increase: what the rate is multiplied by after a loss that fell, at least 1.
        decrease: what it is multiplied by after one that rose, above 0 and below 1.
        tolerance: by what part of itself the loss may rise and still be accepted.
        monitor: the column, a loss.

    Raises:
        ValueError: if a setting is out of range; in fit, if there is no such column.

    Example:
        >>> import backpass as bp
        >>> model, sgd = bp.Sequential(bp.Dense(1), seed=0), bp.SGD(100.0)
        >>> history = model.fit([[1.0]], [[2.0]], loss=bp.MSE(), optimizer=sgd, epochs=40, callbacks=[bp.BoldDriver()])
        >>> history["loss"][-1] < 1e-6 * history["loss"][0]
        True
    """

    _acts_on_steps = True

    def __init__(
        self, increase: float = 1.05, decrease: float = 0.5, tolerance: float = 0.0, monitor: str = "loss"
    ) -> None:
        super().__init__(
            increase=_checks.number("BoldDriver", "increase", increase),
            decrease=_checks.number("BoldDriver", "decrease", decrease),
            tolerance=_checks.number("BoldDriver", "tolerance", tolerance),
            monitor=monitor,
        )


class RaiseOnSmallGradients(_Watcher):
    """Raises the learning rate after an epoch whose last batch had a small gradient.

    Args:
        threshold: small is a Euclidean norm, over all parameters, below this.
        maximum: the rate never rises above it.
        factor: what the rate is multiplied by, above 1.

    Attributes:
        norm: that of the last epoch.

    Raises:
        ValueError: if a setting is out of range.

    Example:
        >>> import backpass as bp
        >>> model, sgd = bp.Sequential(bp.Dense(1), seed=0), bp.SGD(1e-4)
        >>> history = model.fit([[1.0]], [[1.1]], loss=bp.MSE(), optimizer=sgd, epochs=9,
        ...                     callbacks=[bp.RaiseOnSmallGradients(threshold=100, maximum=3e-4)])
        >>> sgd.learning_rate
        0.0003
    """

    _acts_on_steps = True

    _native: _core.RaiseOnSmallGradients

    def __init__(self, threshold: float, maximum: float, factor: float = 2.0) -> None:
        super().__init__(
            threshold=_checks.number("RaiseOnSmallGradients", "threshold", threshold),
            maximum=_checks.number("RaiseOnSmallGradients", "maximum", maximum),
            factor=_checks.number("RaiseOnSmallGradients", "factor", factor),
        )

    @property
    def norm(self) -> float:
        """The norm of the gradient of the last batch of the last epoch."""
        return self._native.norm
