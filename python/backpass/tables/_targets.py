"""What is to be predicted: classes or numbers, and how a network gets it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from backpass import _core, _functions, ops
from backpass._types import Array
from backpass.tables._columns import is_missing, text_of
from backpass.tables._frames import columns_of

FEW = 20  # values of a column of integers that are classes


@dataclass(frozen=True)
class Target:
    """Classes in their order, or numbers with what a network's outputs are scaled by."""

    name: str
    classes: tuple[Any, ...] = ()
    middle: float = 0.0
    spread: float = 1.0

    @property
    def is_class(self) -> bool:
        return bool(self.classes)

    @property
    def outputs(self) -> int:
        return len(self.classes) or 1

    @classmethod
    def learn(cls, name: str, values: Any, task: str | None) -> Target:
        """`task` is "classification", "regression" or None: texts, truth values, categories and integers of at most 20
        values are classes.

        Raises:
            ValueError: if a value is missing or not finite, there is one class only, or the task is unknown.
        """
        if task not in (None, "classification", "regression"):
            raise ValueError(f'[tables] task must be "classification" or "regression", got {task!r}')
        values = column_of(values)
        if not len(values):
            raise ValueError("[tables] there is no row to learn from")
        gone = is_missing(values)
        if gone.any():
            raise ValueError(f"[tables] the target has no value in row {int(np.argmax(gone))}; leave such rows out")
        if task == "classification" or (task is None and looks_like_classes(values)):
            known = {text_of(value): value for value in values}
            ordered = sorted(known, key=lambda text: (_as_number(known[text]), text))
            classes = tuple(known[text].item() if hasattr(known[text], "item") else known[text] for text in ordered)
            if len(classes) < 2:
                raise ValueError(f"[tables] the target has one class only, {classes[0]!r}")
            return cls(name, classes)
        numbers = _numbers(values)
        spread, width = float(numbers.std()), float(np.ptp(numbers))
        if width > 0 and spread < np.finfo(np.float32).tiny:
            raise ValueError(f"[tables] the target varies by {width:.1e}, which is nothing in float32; scale it")
        return cls(name, (), float(numbers.mean()), spread or 1.0)

    def encode(self, values: Any) -> Array:
        """Labels, int32 (rows,); or float32 (rows, 1), standardised."""
        values = column_of(values)
        if not self.is_class:
            return ((_numbers(values) - self.middle) / self.spread).astype(np.float32)[:, None]
        places = {text_of(value): i for i, value in enumerate(self.classes)}
        unknown = next((value for value in values if text_of(value) not in places), None)
        if unknown is not None:
            raise ValueError(f"[tables] {unknown!r} is none of the classes that were trained")
        return np.fromiter((places[text_of(value)] for value in values), np.int32, len(values))

    def finished(self, outputs: _core.Tensor) -> _core.Tensor:
        """Probabilities (rows, ..., classes), or numbers as the target has them, of a network's outputs."""
        if self.is_class:
            return _functions.softmax(outputs)
        return outputs * ops.constant(self.spread, dtype=outputs.dtype) + ops.constant(self.middle, dtype=outputs.dtype)

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "classes": list(self.classes), "middle": self.middle, "spread": self.spread}

    @classmethod
    def from_json(cls, json: Mapping[str, Any]) -> Target:
        return cls(json["name"], tuple(json["classes"]), json["middle"], json["spread"])


def column_of(values: Any) -> Array:
    """One column (rows,), whatever holds it."""
    plain = _plain(values)
    if len(shape := np.shape(plain)) > 1 and shape[1:] != (1,):
        raise ValueError(f"[tables] the target has one value in each row, shape (rows,), got shape {shape}")
    array: Array = next(iter(columns_of("tables", {"target": plain}).values()))
    return array


def _plain(values: Any) -> Any:
    if hasattr(values, "to_frame"):
        frame = values.to_frame()
        return next(iter(columns_of("tables", frame).values()))
    return values


def looks_like_classes(values: Array) -> bool:
    if values.dtype.kind == "O":
        return True
    return values.dtype.kind in "iu" and len(np.unique(values)) <= FEW


def _as_number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float, np.number)) else 0.0


def _numbers(values: Array) -> Array:
    try:
        numbers = values.astype(np.float64)
    except (TypeError, ValueError):
        row = next(i for i, value in enumerate(values) if not isinstance(value, (int, float, np.number)))
        raise ValueError(f"[tables] the target must be numbers, got {values[row]!r} in row {row}") from None
    within = np.abs(numbers) <= np.finfo(np.float32).max
    if not within.all():
        row = int(np.argmin(within))
        raise ValueError(f"[tables] the target is not finite in row {row}, in float32: {numbers[row]}")
    return numbers
