"""Settings of networks for tables that are good without tuning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Preset:
    """How a network for tables is built and trained."""

    hidden: tuple[int, ...]
    dropout: float
    learning_rate: float
    weight_decay: float
    members: int = 1  # networks that share their weights
    batch_size: int | None = None  # None: by the number of rows
    epochs: int = 200
    patience: int | None = 16  # None: all epochs are trained
    realmlp: bool = False  # its layers, schedules and first weights
    rate_of_numbers: float | None = None  # the learning rate where numbers are predicted, if it is another

    def changed(self, *, hidden: Sequence[int] | None, **others: Any) -> Preset:
        """With settings of the caller's in place of its own."""
        given = {name: value for name, value in others.items() if value is not None}
        if "learning_rate" in given:
            given["rate_of_numbers"] = None
        if hidden is not None:
            given["hidden"] = tuple(int(units) for units in hidden)
            if any(units < 1 for units in given["hidden"]):
                raise ValueError(f"[TableModel] hidden must be positive, got {list(hidden)}")
        return replace(self, **given)


PRESETS = {
    "mlp": Preset((256, 128), 0.1, 2e-3, 1e-2),
    "tabm": Preset((256, 256), 0.1, 2e-3, 3e-4, members=32),
    "realmlp": Preset(
        (256, 256, 256),
        0.15,
        4e-2,
        2e-2,
        batch_size=256,
        epochs=256,
        patience=None,
        realmlp=True,
        rate_of_numbers=0.2,
    ),
}
