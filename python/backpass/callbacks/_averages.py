"""Averages of the weights over training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backpass import _checks, _core
from backpass._sealed import Sealed
from backpass.callbacks._callback import Callback

if TYPE_CHECKING:
    from backpass._types import Logs
    from backpass.models._network import Network
    from backpass.training._trainer import Trainer


class Averaging(Sealed, Callback):
    """What EMA and SWA share; among the callbacks of a fit they are kept by the core, without Python in a step."""

    _instead = "make another callback"
    _acts_on_steps = True

    def __init__(self, apply: bool, **settings: Any) -> None:
        self._settings = {**settings, "apply": apply}
        self._apply_at_end = _checks.flag(type(self).__name__, "apply", apply)
        self._native = self._make()

    def _make(self) -> _core.Average:
        kind = next(cls.__name__ for cls in type(self).__mro__ if cls.__module__ == __name__)
        native: _core.Average = getattr(_core, kind)(
            **{name: value for name, value in self._settings.items() if name != "apply"}
        )
        return native

    @property
    def updates(self) -> int:
        """The number of sets of weights in the average."""
        return self._native.updates

    def update(self, model: Network) -> None:
        """Adds the weights of a model to the average; for loops of your own.

        Raises:
            ValueError: if this is the average of a model of another size.
        """
        self._native.update(_checks.model("update", model)._built())

    def apply(self, model: Network) -> None:
        """The model's parameters become the average; running statistics stay.

        Raises:
            ValueError: if nothing has been averaged yet, or this is the average of a model of another size.

        Example:
            >>> import backpass as bp
            >>> model = bp.Sequential(bp.Dense(1, bias=False), input_shape=1, dtype="float64", seed=0)
            >>> average = bp.EMA(decay=0.75)
            >>> for weight in (0.0, 4.0, 8.0):
            ...     model.flat_parameters[:] = weight
            ...     average.update(model)
            >>> average.apply(model)
            >>> model.flat_parameters.tolist()
            [2.75]
        """
        self._native.apply(_checks.model("apply", model)._built())

    def swap(self, model: Network) -> None:
        """Exchanges the model's parameters and the average; a second call restores them. Raises what `apply` does."""
        self._native.swap(_checks.model("swap", model)._built())

    def on_fit_end(self, trainer: Trainer, logs: Logs) -> None:
        """The model holds the average, where that was asked for and there is one."""
        if self._apply_at_end and self.updates:
            self.apply(trainer.model)

    def state(self) -> dict[str, Any]:
        """What a checkpoint must keep: counts, and the average."""
        return self._native.state()

    def load_state(self, state: dict[str, Any]) -> None:
        """Continues from what `state` returned."""
        _checks.state(type(self).__name__, state, "seen", "updates")
        self._native.load_state(state)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._settings.items())})"

    def __getstate__(self) -> dict[str, Any]:
        own = {name: value for name, value in vars(self).items() if name != "_native"}
        return {"own": own, "state": self.state()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state["own"])
        self._native = self._make()
        self.load_state(state["state"])


class EMA(Averaging):
    """An exponential moving average: average <- decay average + (1 - decay) w after every update.

    Polyak and Juditsky 1992; PyTorch's `get_ema_multi_avg_fn`. As a callback of `fit` it updates itself.
    Only parameters are averaged; the running statistics of batch normalisation stay those of the model in training. To
    refresh them for the averaged weights, run `forward(x, training=True)` over the data.
    Beside an `EarlyStopping` that restores, the one that comes last in the list decides which weights the model ends
    with.

    Args:
        decay: how much of the average is kept, at least 0 and below 1.
        start: how many updates pass before it begins; the first one that counts is copied.
        apply: whether the model holds the average when `fit` ends.

    Raises:
        ValueError: if a setting is out of range.

    Example:
        >>> import backpass as bp
        >>> model, average = bp.Sequential(bp.Dense(1), seed=0), bp.EMA(decay=0.9)
        >>> history = model.fit([[1.0]], [[2.0]], loss=bp.MSE(), optimizer=bp.SGD(0.1), epochs=50, callbacks=[average])
        >>> average.updates
        50
    """

    def __init__(self, decay: float = 0.999, start: int = 0, apply: bool = True) -> None:
        settings: dict[str, Any] = {
            "decay": _checks.number("EMA", "decay", decay),
            "start": _checks.integer("EMA", "start", start),
        }
        super().__init__(apply, **settings)


class SWA(Averaging):
    """Stochastic weight averaging: the mean of the weights at the ends of epochs (Izmailov et al. 2018).

    Parameters alone are averaged: the running statistics of batch normalisation stay those of the model in training. To
    refresh them for the averaged weights, run `forward(x, training=True)` over the data.

    Args:
        start_epoch: how many epochs pass before it begins, counted over all fits.
        apply: whether the model holds the average when `fit` ends.

    Raises:
        ValueError: if a setting is out of range.

    Example:
        >>> import backpass as bp
        >>> model, average = bp.Sequential(bp.Dense(1), seed=0), bp.SWA(start_epoch=10)
        >>> history = model.fit([[1.0]], [[2.0]], loss=bp.MSE(), optimizer=bp.SGD(0.1), epochs=50, callbacks=[average])
        >>> average.updates
        40
    """

    def __init__(self, start_epoch: int = 0, apply: bool = True) -> None:
        settings = {"start_epoch": _checks.integer("SWA", "start_epoch", start_epoch)}
        super().__init__(apply, **settings)
