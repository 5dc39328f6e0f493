"""Checkpoints: a file that a fit can go on from, to the bit."""

from __future__ import annotations

import copy
import math
import os
import stat
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass import _checks
from backpass._sealed import Sealed
from backpass.callbacks._callback import Callback
from backpass.callbacks._history import check_column
from backpass.losses._metrics import rises

if TYPE_CHECKING:
    from backpass._types import Array, Logs
    from backpass.models._network import Network
    from backpass.training._trainer import Trainer


class Checkpoint(Sealed, Callback):
    """Saves the progress of a fit in one file, from which `fit(..., resume=path)` continues.

    The file holds the model with its running statistics and random counters, the optimizer's state, where in the epoch
    the fit is, the history, and the state of other callbacks (`Callback.state`). It is replaced as a whole: after a
    crash, even while writing, the last complete file is there. A fit that is resumed, with the same data and
    arguments, ends with the same bits as one that was never interrupted. A fit that was stopped (`trainer.stop()`) has
    ended: resuming it gives its result. `epochs` may be another one, and so may the optimizer's learning rate: where it
    is not the one that the fit began with, training goes on with the new one. A file that does not belong, as one of
    another loss, is refused before anything changes; only that a stream has fewer rows than were trained on shows
    later: the model is then as written.

    Args:
        path: the file.
        every_batches: writes after so many batches of an epoch; None: not by their number.
        every_epochs: writes after so many epochs; None: not by their number.
        every_seconds: writes when so much time has passed since the last time; None: not by the clock.
        keep_best: a column such as "val_loss"; the model with its best value is saved as `best_path`. Metrics of ours
            of which more is better shall rise, all others fall. nan is never best. Of a
            column of training, the weights that its epoch began with are saved, as `EarlyStopping` says.

    Attributes:
        path: the file.
        best_path: with ".best" before its suffix; `bp.load` reads it.
        best: the best value of `keep_best`; None before the first one that is not nan.

    Raises:
        ValueError: if a setting is out of range; in fit, if there is no such column, a path is of no file or in
            no folder that can be written to, or the model holds layers written in Python, which cannot be saved.
        OSError: in fit, if the file cannot be written.

    Example:
        >>> import backpass as bp, tempfile, os
        >>> def train(folder, epochs):
        ...     path = os.path.join(folder, "fit.safetensors")
        ...     model = bp.Sequential(bp.Dense(1), seed=0)
        ...     return model.fit([[1.0], [2.0]], [[3.0], [5.0]], loss=bp.MSE(), optimizer=bp.Adam(0.1), epochs=epochs,
        ...                      callbacks=[bp.Checkpoint(path)], resume=path)
        >>> with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
        ...     interrupted = train(folder, epochs=3)
        ...     train(folder, epochs=8) == train(other, epochs=8)
        True
    """

    _instead = "make another callback"
    path: str
    best_path: str
    keep_best: str | None

    def __init__(
        self,
        path: str | bytes | os.PathLike[str],
        *,
        every_batches: int | None = None,
        every_epochs: int | None = 1,
        every_seconds: float | None = None,
        keep_best: str | None = None,
    ) -> None:
        path = _checks.path("Checkpoint", path)
        self._keep(path=path, best_path=".best".join(os.path.splitext(path)), keep_best=keep_best)
        self._best: float | None = None
        self._start: dict[str, Array] = {}  # of the epoch, where its column tells of it
        self._every = {
            "every_batches": 0 if every_batches is None else _positive("every_batches", every_batches),
            "every_epochs": 0 if every_epochs is None else _positive("every_epochs", every_epochs),
            "every_seconds": 0.0
            if every_seconds is None
            else _checks.number("Checkpoint", "every_seconds", every_seconds),
        }
        if every_seconds is not None and not 0 < self._every["every_seconds"] < float("inf"):
            raise ValueError(f"[Checkpoint] every_seconds must be finite and above 0, got {every_seconds}")

    @property
    def best(self) -> float | None:
        """The best value of `keep_best`; None before the first one that is not nan."""
        return self._best

    def _check_columns(self, columns: Sequence[str]) -> None:
        if self.keep_best is not None:
            check_column("Checkpoint", "keep_best", self.keep_best, columns)
        for path in (self.path,) if self.keep_best is None else (self.path, self.best_path):
            if not _can_be_written(path):
                raise ValueError(f"[Checkpoint] path must be a file in a folder that can be written to, got {path!r}")

    def on_fit_begin(self, trainer: Trainer, logs: Logs) -> None:
        """Forgets an earlier fit."""
        self._best = None
        self._start = {}

    def on_epoch_begin(self, trainer: Trainer, logs: Logs) -> None:
        """Keeps what a column of training will tell of."""
        if self.keep_best and not self.keep_best.startswith("val_") and trainer.optimizer._makes_steps:
            self._start = trainer.model.state_dict()

    def on_epoch_end(self, trainer: Trainer, logs: Logs) -> None:
        """Saves the best model."""
        if self.keep_best is None:
            return
        value = logs[self.keep_best]
        up = rises(self.keep_best)
        if not math.isnan(value) and (self._best is None or (value > self._best if up else value < self._best)):
            self._best = value
            self._save_best(trainer.model)

    def _save_best(self, model: Network) -> None:
        if self._start:
            model = copy.deepcopy(model)
            model.load_weights(self._start)
        model.save(self.best_path)

    def state(self) -> dict[str, Any]:
        """The best value, and the weights that the epoch began with where they may be saved."""
        return {"best": self._best, **{f"start/{name}": array for name, array in self._start.items()}}

    def load_state(self, state: dict[str, Any]) -> None:
        """Continues from what `state` returned."""
        _checks.state("Checkpoint", state, "best")
        best = state["best"]
        number = None if best is None else _checks.number("Checkpoint", "best", best)
        self._best = None if number is None or math.isnan(number) else number
        self._start = {name[6:]: np.array(value) for name, value in state.items() if name.startswith("start/")}


def writer_of(callbacks: Sequence[Callback]) -> dict[str, Any] | None:
    """What the core writes checkpoints by; None where nobody asked for them."""
    several = [callback for callback in callbacks if isinstance(callback, Checkpoint)]
    if len(several) > 1:
        raise ValueError(f"[fit] callbacks must hold one Checkpoint at most, got {len(several)}")
    if not several:
        return None
    return {"path": os.fsencode(several[0].path), "state": lambda: _pack(callbacks), **several[0]._every}


def reader_of(path: str | bytes | os.PathLike[str] | None, callbacks: Sequence[Callback]) -> dict[str, Any] | None:
    """What the core resumes by; None where nobody asked for it."""
    if path is None:
        return None
    load: Callable[[str, dict[str, Array]], None] = lambda text, arrays: _unpack(callbacks, text, arrays)  # noqa: E731
    return {"path": os.fsencode(_checks.path("resume", path)), "load": load}


def _can_be_written(path: str) -> bool:
    """Whether there is a folder for it, and no folder, device or read-only file in its place."""
    path = os.path.realpath(path)
    if not os.access(os.path.dirname(path), os.W_OK):
        return False
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return True
    except OSError:  # a name that is too long
        return False
    return stat.S_ISREG(mode) and mode & 0o222 != 0 and os.access(path, os.W_OK)


def _positive(name: str, value: int) -> int:
    return _checks.integer("Checkpoint", name, value, minimum=1, bits=32)


def _pack(callbacks: Sequence[Callback]) -> tuple[str, dict[str, Array]]:
    """The states of callbacks as a text, and the arrays in them."""
    import json  # when it is used, so that importing backpass stays quick

    states: list[dict[str, Any]] = []
    arrays: dict[str, Array] = {}
    for index, callback in enumerate(callbacks):
        values = {}
        for name, value in callback.state().items():
            if isinstance(value, np.ndarray):
                arrays[f"{index}/{name}"] = value
            elif value is None or isinstance(value, (bool, int, float, str)):
                values[name] = value
            elif isinstance(value, (np.integer, np.floating)):
                values[name] = value.item()
            else:
                kind = type(callback).__name__
                raise TypeError(
                    f"[{kind}] state must hold numbers, strings, None and arrays, got {value!r} as {name!r}"
                )
        states.append({"type": type(callback).__name__, "state": values})
    return json.dumps(states), arrays


def _unpack(callbacks: Sequence[Callback], text: str, arrays: dict[str, Array]) -> None:
    import json

    try:
        states = json.loads(text)
        written = [state["type"] for state in states]
        values = [dict(state["state"]) for state in states]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ValueError("[checkpoint] the state of the callbacks is damaged") from None
    given = [type(callback).__name__ for callback in callbacks]
    if written != given:
        raise ValueError(
            f"[resume] callbacks were {', '.join(map(str, written)) or 'none'} when the checkpoint was written, "
            f"now they are {', '.join(given) or 'none'}"
        )
    for name, array in arrays.items():
        index, _, key = name.partition("/")
        if not index.isdecimal() or int(index) >= len(values):
            raise ValueError("[checkpoint] the state of the callbacks is damaged")
        values[int(index)][key] = array
    for callback, value in zip(callbacks, values, strict=True):
        if value:
            _load(callback, value)


def _load(callback: Callback, state: dict[str, Any]) -> None:
    """What a damaged file lacks, or holds in its place, is an error of the file."""
    try:
        callback.load_state(state)
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError, RuntimeError) as error:
        kind = type(callback).__name__
        raise ValueError(f"[resume] {kind} cannot go on from the state in the file, {state}: {error!r}") from error
