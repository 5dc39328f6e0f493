"""The progress bar of a fit."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from backpass._callbacks import Callback

if TYPE_CHECKING:
    from backpass._trainer import Trainer
    from backpass._types import Logs


def is_terminal() -> bool:
    """Whether somebody sees what is written to standard error."""
    return sys.stderr is not None and sys.stderr.isatty()


class ProgressBar(Callback):
    """Rows done over all epochs, and the latest numbers. `rows` of one epoch; None where nobody knows."""

    def __init__(self, rows: int | None, epochs: int) -> None:
        from tqdm import tqdm

        total = None if rows is None else rows * epochs
        self._bar = tqdm(total=total, unit=" rows", unit_scale=True, dynamic_ncols=True, leave=True)
        self._rows, self._epochs, self._done = rows, epochs, 0

    def on_epoch_begin(self, trainer: Trainer, logs: Logs) -> None:
        """Tells which epoch it is."""
        self._done = self._bar.n if self._rows is None else int(logs["epoch"]) * self._rows
        self._bar.set_description(f"epoch {int(logs['epoch']) + 1}/{self._epochs}", refresh=False)

    def show_progress(self, rows_done: int, mean_loss: float) -> None:
        """Called by the clock, with the rows of this epoch and their mean loss."""
        self._bar.set_postfix(loss=f"{mean_loss:.4g}", refresh=False)
        self._bar.update(self._done + rows_done - self._bar.n)

    def on_epoch_end(self, trainer: Trainer, logs: Logs) -> None:
        """Shows the numbers of the epoch."""
        numbers = {name: f"{value:.4g}" for name, value in logs.items() if name != "epoch"}
        self._bar.set_postfix(numbers, refresh=False)
        if self._rows is not None:
            self._bar.update(self._done + self._rows - self._bar.n)

    def close(self) -> None:
        """Leaves the bar as it is."""
        self._bar.close()
