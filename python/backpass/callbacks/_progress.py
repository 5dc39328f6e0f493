"""The progress of a fit: a bar on a terminal, elsewhere a line for each epoch."""

from __future__ import annotations

import os
import sys
import textwrap
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

from backpass.callbacks._callback import Callback

if TYPE_CHECKING:
    from backpass._types import Logs
    from backpass.training._trainer import Trainer

USUAL_COLUMNS = 80


def is_terminal() -> bool:
    """Whether somebody sees what is written to standard error."""
    try:
        return sys.stderr is not None and sys.stderr.isatty()
    except ValueError:  # it is closed
        return False


def shown_progress(rows: int | None, epochs: int) -> Progress:
    """What suits standard error; nothing is shown where there is none, as in programs without a console."""
    stream = Forgiving(sys.stderr)
    return ProgressBar(rows, epochs, stream) if is_terminal() else Progress(epochs, stream)


class Forgiving:
    """A stream, or none, that drops what it cannot write: a closed pipe must not end a training."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Writes where somebody reads."""
        with suppress(OSError, ValueError):
            if self._stream is not None:
                self._stream.write(text)

    def flush(self) -> None:
        """Hands on what was written."""
        with suppress(OSError, ValueError):
            if self._stream is not None:
                self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Progress(Callback):
    """A line for each epoch."""

    def __init__(self, epochs: int, stream: Forgiving) -> None:
        self._epochs, self._stream, self._begun = epochs, stream, time.monotonic()

    def on_epoch_end(self, trainer: Trainer, logs: Logs) -> None:
        """Writes the numbers of the epoch."""
        self._write(self._line(logs))

    def close(self) -> None:
        """Nothing is open."""

    def _line(self, logs: Logs) -> str:
        numbers = [f"{name}={value:.4g}" for name, value in logs.items() if name != "epoch"]
        return f"epoch {int(logs['epoch']) + 1}/{self._epochs}: {', '.join(numbers)}"

    def _write(self, line: str) -> None:
        print(line, file=self._stream, flush=True)


class ProgressBar(Progress):
    """Rows done over all epochs, and the latest loss; at the end, the whole line of the last epoch.

    `rows` of one epoch; None where nobody knows.
    """

    def __init__(self, rows: int | None, epochs: int, stream: Forgiving) -> None:
        from tqdm import tqdm

        super().__init__(epochs, stream)
        total = None if rows is None else rows * epochs
        self._bar = tqdm(total=total, unit=" rows", unit_scale=True, ncols=_columns(stream), leave=False, file=stream)
        self._rows, self._done, self._last = rows, 0, ""

    def on_epoch_begin(self, trainer: Trainer, logs: Logs) -> None:
        """Tells which epoch it is."""
        self._done = self._bar.n if self._rows is None else int(logs["epoch"]) * self._rows
        self._bar.set_description(f"epoch {int(logs['epoch']) + 1}/{self._epochs}", refresh=False)

    def show_progress(self, rows_done: int, mean_loss: float) -> None:
        """Called by the clock, with the rows of this epoch and their mean loss."""
        self._show(mean_loss, self._done + rows_done)

    def on_epoch_end(self, trainer: Trainer, logs: Logs) -> None:
        """Keeps the numbers of the epoch for the end."""
        self._last = self._line(logs)
        self._show(logs["loss"], self._bar.n if self._rows is None else self._done + self._rows)

    def close(self) -> None:
        """Leaves the numbers of the last epoch in place of the bar, in as many lines as they need."""
        self._bar.close()
        if self._last:
            whole = f"{self._last} ({time.monotonic() - self._begun:.1f} s)"
            self._write(textwrap.fill(whole, _columns(self._stream) - 1, subsequent_indent="  "))

    def _show(self, loss: float, rows: int) -> None:
        self._bar.ncols = _columns(self._stream)
        self._bar.set_postfix(loss=f"{loss:.4g}", refresh=False)
        self._bar.update(rows - self._bar.n)


def _columns(stream: Forgiving) -> int:
    """How wide the terminal is; some say 0 and mean that they do not know."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or USUAL_COLUMNS
    except (OSError, ValueError):
        return USUAL_COLUMNS
