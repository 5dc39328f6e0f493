"""Callbacks: what is called at the boundaries of a fit."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from backpass import _names
from backpass._warnings import warn

if TYPE_CHECKING:
    from backpass._types import Logs
    from backpass.training._trainer import Trainer


class Callback:
    """Override the methods that you need; the others cost nothing.

    Every method gets the trainer (`trainer.model`, `trainer.optimizer`, `trainer.stop()`) and a dict. An exception
    ends the fit and is passed on; the model stays usable. A method with a misspelt name, or a name from another
    library, is never called: a `UserMistakeWarning` says so when the class is defined.

    Example:
        >>> import backpass as bp
        >>> class Halve(bp.Callback):
        ...     def on_epoch_end(self, trainer, logs):
        ...         trainer.optimizer.learning_rate /= 2
        >>> model, sgd = bp.Sequential(bp.Dense(1), seed=0), bp.SGD(0.4)
        >>> history = model.fit([[1.0]], [[2.0]], loss=bp.MSE(), optimizer=sgd, epochs=2, callbacks=[Halve()])
        >>> sgd.learning_rate
        0.1
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name, value in vars(cls).items():
            if inspect.isfunction(value):
                _look_at_hook(cls.__name__, name, value)

    def on_fit_begin(self, trainer: Trainer, logs: Logs) -> None:
        """Before the first epoch."""

    def on_fit_end(self, trainer: Trainer, logs: Logs) -> None:
        """After the last epoch of a fit that was not ended by an exception."""

    def on_epoch_begin(self, trainer: Trainer, logs: Logs) -> None:
        """`logs["epoch"]` counts from 0."""

    def on_epoch_end(self, trainer: Trainer, logs: Logs) -> None:
        """`logs` has "epoch" and what the history will have: "loss", metrics, "val_loss", ..."""

    def on_batch_begin(self, trainer: Trainer, logs: Logs) -> None:
        """`logs["batch"]` counts from 0 in each epoch."""

    def on_batch_end(self, trainer: Trainer, logs: Logs) -> None:
        """`logs` has "batch" and "loss", the loss of this batch before its update."""

    _acts_on_steps = False  # changes their rate, or takes what each leaves

    def _needs_steps(self) -> bool:
        """Whether it has nothing to do in a fit without single steps and batches."""
        hooks = ("on_batch_begin", "on_batch_end")
        return self._acts_on_steps or any(getattr(type(self), name) is not getattr(Callback, name) for name in hooks)

    def _check_columns(self, columns: Sequence[str]) -> None:
        """Refuses a fit that this cannot serve, before it begins; `columns` are those of its history."""

    def state(self) -> dict[str, Any]:
        """What a checkpoint must keep of this callback: numbers, strings, None and arrays by name."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Continues from what `state` returned."""


HOOKS = tuple(name for name in vars(Callback) if name.startswith("on_"))
_MOMENTS = {_names.plain(name).removeprefix("on") for name in HOOKS}  # "epochend"


def _look_at_hook(owner: str, name: str, method: Callable[..., Any]) -> None:
    """Warns of a method that is never called, or with something else than it takes."""
    if name in HOOKS:
        first = list(inspect.signature(method).parameters)[1:2]
        if first in (["epoch"], ["batch"]):
            warn(f'[{owner}] {name} is called with (trainer, logs), not with {first[0]}: logs["{first[0]}"] has it')
    elif name.startswith("on_") or _names.plain(name).removeprefix("on") in _MOMENTS:
        warn(f"[{owner}] {name} is never called{_names.suggestion(name, HOOKS)}")


def checked_callbacks(callbacks: Callback | Sequence[Callback]) -> list[Callback]:
    """The callbacks as a list; one alone is one."""
    several: list[Any] = list(callbacks) if isinstance(callbacks, Iterable) else [callbacks]
    for callback in several:
        if isinstance(callback, type) and issubclass(callback, Callback):
            raise TypeError(f"[fit] callbacks must be instances of Callback, got a class: write {callback.__name__}()")
        if not isinstance(callback, Callback):
            raise TypeError(f"[fit] callbacks must be instances of Callback, got {callback!r}")
    return several


def hooks_of(trainer: Trainer, callbacks: Sequence[Callback]) -> dict[str, Callable[..., None]]:
    """The native hooks that somebody asked for."""

    def asked(name: str) -> list[Callable[[Trainer, Logs], None]]:
        own = getattr(Callback, name)
        methods = [getattr(callback, name) for callback in callbacks]
        return [method for method in methods if getattr(method, "__func__", None) is not own]

    def call(methods: list[Callable[[Trainer, Logs], None]], logs: Logs) -> None:
        for method in methods:
            method(trainer, dict(logs))

    hooks: dict[str, Callable[..., None]] = {}
    if begins := asked("on_epoch_begin"):
        hooks["epoch_begin"] = lambda epoch: call(begins, {"epoch": epoch})
    if ends := asked("on_epoch_end"):
        hooks["epoch_end"] = lambda epoch, logs: call(ends, {"epoch": epoch, **logs})
    if batch_begins := asked("on_batch_begin"):
        hooks["batch_begin"] = lambda batch: call(batch_begins, {"batch": batch})
    if batch_ends := asked("on_batch_end"):
        hooks["batch_end"] = lambda batch, loss: call(batch_ends, {"batch": batch, "loss": loss})
    if updates := _updates(callbacks):
        hooks["progress"] = updates[0]  # there is one bar at most
    return hooks


def _updates(callbacks: Sequence[Any]) -> list[Callable[[int, float], None]]:
    return [callback.show_progress for callback in callbacks if hasattr(callback, "show_progress")]
