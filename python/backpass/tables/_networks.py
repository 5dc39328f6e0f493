"""Networks for tables: numbers and categories go in as they are, logits or standardised values come out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backpass import _core, _functions, ops
from backpass._types import Array
from backpass.layers import Dense, Dropout, Embedding, Layer
from backpass.tables._columns import Schema

MOST_ONE_HOT = 8  # categories that are columns of their own; more are embedded


@dataclass(frozen=True)
class Scaling:
    """How numbers are brought to a like size: (x - middle) / spread."""

    middle: Array
    spread: Array

    @classmethod
    def learn(cls, numbers: Array) -> Scaling:
        """By median and quartiles; where these are equal, by the range; where all are equal, by 1.

        Robust scaling as RealMLP has it (Holzmüller et al. 2024, "Better by default").
        """
        columns = [column[np.isfinite(column)] for column in numbers.astype(np.float64).T]
        return cls(
            np.array([np.median(column) if len(column) else 0.0 for column in columns]),
            np.array([_spread(column) for column in columns]),
        )


def _spread(column: Array) -> float:
    if not len(column):
        return 1.0
    low, high = np.quantile(column, (0.25, 0.75))
    if high > low:
        return float(high - low)
    return float(column.max() - column.min()) / 2 or 1.0


class Numbers(Layer):
    """Numbers (batch, columns) with nan where one is missing: scaled, smoothly clipped, 0 where missing.

    y = z / sqrt(1 + (z / 3)^2) for z = (x - middle) / spread (Holzmüller et al. 2024), so outliers stay within 3.
    Columns in which some were missing get another one beside them, which says where.
    """

    def __init__(self, scaling: Scaling, missing: Sequence[int]) -> None:
        self.scaling, self.missing = scaling, tuple(missing)

    def settings(self) -> dict[str, Any]:
        """What is worth a place in a summary."""
        return {"columns": len(self.scaling.middle), "with_missing": len(self.missing)}

    def forward(self, x: _core.Tensor) -> _core.Tensor:
        gone = _functions.isnan(x)
        zero = ops.constant(np.zeros(1), dtype=x.dtype)
        middle, spread = (ops.constant(values, dtype=x.dtype) for values in (self.scaling.middle, self.scaling.spread))
        z = (_functions.where(gone, zero, x) - middle) / spread
        z = _functions.where(gone, zero, z / _functions.sqrt(1 + _functions.square(z / 3)))
        if not self.missing:
            return z
        return _functions.concat([z, *(gone[:, i : i + 1] for i in self.missing)], axis=1)


class Categories(Layer):
    """Categories (batch, columns), 0 where one is missing or new: few as columns of 0 and 1, many embedded."""

    def __init__(self, sizes: Sequence[int], width: int = 8) -> None:
        self.sizes, self.width = tuple(sizes), width
        self.embeddings = [Embedding(size + 1, width) if size > MOST_ONE_HOT else None for size in sizes]

    def settings(self) -> dict[str, Any]:
        """What is worth a place in a summary."""
        return {"columns": len(self.sizes), "width": self.width}

    def forward(self, codes: _core.Tensor) -> _core.Tensor:
        parts = []
        for i, (size, embedding) in enumerate(zip(self.sizes, self.embeddings, strict=True)):
            own = codes[:, i]
            parts.append(embedding(own) if embedding else _functions.one_hot(own, size + 1, self.dtype)[:, 1:])
        return _functions.concat(parts, axis=1)

    dtype = "float32"


def features(schema: Schema, scaling: Scaling, numbers: _core.Tensor, codes: _core.Tensor) -> _core.Tensor:
    """All that a network gets of a row, side by side."""
    parts = []
    if schema.numbers:
        missing = [i for i, column in enumerate(schema.numbers) if column.missing]
        parts.append(Numbers(scaling, missing)(numbers))
    if schema.categories:
        parts.append(Categories([len(column.categories) for column in schema.categories])(codes))
    return parts[0] if len(parts) == 1 else _functions.concat(parts, axis=1)


def inputs(schema: Schema) -> tuple[_core.Tensor, _core.Tensor]:
    """Places for `Schema.encode`."""
    numbers = ops.input((None, len(schema.numbers)), name="numbers")
    return numbers, ops.input((None, len(schema.categories)), "int32", name="categories")


def perceptron(x: _core.Tensor, hidden: Sequence[int], dropout: float, outputs: int) -> _core.Tensor:
    """A plain network: preset "mlp"."""
    for units in hidden:
        x = Dense(units, activation="relu")(x)
        if dropout > 0:
            x = Dropout(dropout)(x)
    return Dense(outputs)(x)


class RankOne(Layer):
    """k networks at once that share a weight through rank-one adapters: x (batch, k, in) -> (batch, k, units).

    y_i = ((x_i * r_i) W^T) * s_i + b_i (Wen et al. 2020, "BatchEnsemble"; Gorishniy et al. 2025, "TabM"). r starts as
    random signs in the first layer, and as 1 in the others; s as 1.
    """

    def __init__(self, units: int, members: int, signs: bool) -> None:
        self.units, self.members, self.signs = units, members, signs

    def forward(self, x: _core.Tensor) -> _core.Tensor:
        k, width = self.members, x.shape[-1]
        r = self.parameter("r", (k, width), _random_signs if self.signs else "ones")
        weight = self.parameter("weight", (self.units, width))
        s = self.parameter("s", (k, self.units), "ones")
        bias = self.parameter("bias", (k, self.units), "zeros")
        return _functions.matmul(x * r, weight, transpose_b=True) * s + bias


class Heads(Layer):
    """A last layer of its own for each of k networks: x (batch, k, in) -> (batch, k, outputs)."""

    def __init__(self, outputs: int, members: int) -> None:
        self.outputs, self.members = outputs, members

    def forward(self, x: _core.Tensor) -> _core.Tensor:
        width = x.shape[-1]
        weight = self.parameter("weight", (self.members, self.outputs, width), _uniform)
        bias = self.parameter("bias", (self.members, self.outputs), "zeros")
        return _functions.einsum("bki,koi->bko", x, weight) + bias


def many_perceptrons(
    x: _core.Tensor, hidden: Sequence[int], dropout: float, outputs: int, members: int
) -> _core.Tensor:
    """Preset "tabm": (batch, members, outputs)."""
    width = x.shape[-1]
    x = _functions.broadcast_to(_functions.reshape(x, (None, 1, width)), (None, members, width))
    for i, units in enumerate(hidden):
        x = _functions.relu(RankOne(units, members, i == 0)(x))
        if dropout > 0:
            x = Dropout(dropout)(x)
    return Heads(outputs, members)(x)


def _random_signs(shape: tuple[int, ...], generator: np.random.Generator) -> Any:
    return generator.choice([-1.0, 1.0], shape)


def _uniform(shape: tuple[int, ...], generator: np.random.Generator) -> Any:
    bound = shape[-1] ** -0.5
    return generator.uniform(-bound, bound, shape)
