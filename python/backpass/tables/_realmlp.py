"""RealMLP with its tuned defaults (Holzmüller et al. 2024, "Better by default"): preset "realmlp"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from backpass import _core, _functions, ops
from backpass._types import Array
from backpass.layers import Dense, Embedding, Layer
from backpass.tables._columns import Schema
from backpass.tables._networks import MOST_ONE_HOT, Numbers, Scaling

FREQUENCIES, EMBEDDED = 16, 4  # of a number
DEVIATION = 0.1  # of first frequencies
TOGETHER = 16  # numbers in one product


class Periodic(Layer):
    """Each number x (batch, columns) becomes four: x, and three linear forms of cos(2 pi w x + b) for 16 pairs w, b.

    "PBLD": (batch, columns) -> (batch, 4 columns), all linear forms first (Gorishniy et al. 2022, with a bias for the
    phase and the number itself beside them as Holzmüller et al. have it).
    """

    def forward(self, x: _core.Tensor) -> _core.Tensor:
        columns = int(x.shape[1] or 0)
        frequency = self.parameter("periodic_frequency", (columns, FREQUENCIES), _normal(DEVIATION))
        phase = self.parameter("periodic_phase", (columns, FREQUENCIES), _uniform(np.pi))
        bound = FREQUENCIES**-0.5
        weight = self.parameter("periodic_weight", (columns, FREQUENCIES, EMBEDDED - 1), _uniform(bound))
        bias = self.parameter("periodic_bias", (columns, EMBEDDED - 1), _uniform(bound))
        forms = []
        for begin in range(0, columns, TOGETHER):
            some = slice(begin, min(begin + TOGETHER, columns))
            waves = _functions.cos(x[:, some, None] * (frequency[some] * (2 * np.pi)) + phase[some])
            forms.append(_each_with_its_own(waves, weight[some]) + _functions.reshape(bias[some], (-1,)))
        return _functions.concat([*forms, x], axis=1)


def _each_with_its_own(waves: _core.Tensor, weight: _core.Tensor) -> _core.Tensor:
    """(batch, c, f) and (c, f, e) -> (batch, c e), by blocks along a diagonal: c tiny products are slower."""
    count, width, forms = (int(size or 0) for size in weight.shape)
    diagonal = ops.constant(np.eye(count)[:, None, :, None], dtype=weight.dtype)
    blocks = _functions.reshape(weight[:, :, None, :] * diagonal, (count * width, count * forms))
    return _functions.matmul(_functions.reshape(waves, (None, count * width)), blocks)


class ScaledCategories(Layer):
    """Categories (batch, columns), 0 where one is missing or new: few as columns, many embedded in eight numbers.

    A column of two kinds is one of 1 and -1, of up to eight one of 0 and 1 for each; they are scaled and clipped as
    numbers are.
    """

    def __init__(self, sizes: Sequence[int], scaling: Scaling, width: int = 8) -> None:
        self.sizes, self.scaling, self.width = tuple(sizes), scaling, width
        self.embeddings = [Embedding(size + 1, width) for size in sizes if size > MOST_ONE_HOT]

    def settings(self) -> dict[str, Any]:
        """What is worth a place in a summary."""
        return {"columns": len(self.sizes), "width": self.width}

    def forward(self, codes: _core.Tensor) -> _core.Tensor:
        few = [i for i, size in enumerate(self.sizes) if size <= MOST_ONE_HOT]
        many = [i for i, size in enumerate(self.sizes) if size > MOST_ONE_HOT]
        parts = [embedding(codes[:, i]) for i, embedding in zip(many, self.embeddings, strict=True)]
        if few:
            columns = _functions.concat([self._columns(codes[:, i], self.sizes[i]) for i in few], axis=1)
            parts.append(Numbers(self.scaling, ())(columns))
        return parts[0] if len(parts) == 1 else _functions.concat(parts, axis=1)

    def _columns(self, own: _core.Tensor, size: int) -> _core.Tensor:
        kinds = _functions.one_hot(own, size + 1, "float32")
        return kinds[:, 1:2] - kinds[:, 2:3] if size == 2 else kinds[:, 1:]


def scaling_of_categories(schema: Schema, codes: Array) -> Scaling:
    """Of the columns that few categories become."""
    parts = [np.empty((len(codes), 0))]
    for own, column in zip(codes.T, schema.categories, strict=True):
        size = len(column.categories)
        kinds = (own[:, None] == np.arange(1, size + 1)).astype(np.float64)
        if size <= MOST_ONE_HOT:
            parts.append(kinds[:, :1] - kinds[:, 1:] if size == 2 else kinds)
    return Scaling.learn(np.concatenate(parts, axis=1))


class Scale(Layer):
    """x times a number for each column."""

    def forward(self, x: _core.Tensor) -> _core.Tensor:
        scale = self.parameter("scale", x.shape[-1:], "ones")
        return x * scale


class Parametric(Layer):
    """x + (f(x) - x) a: an activation, "selu" or "mish", that may become the identity; a starts as 1."""

    def __init__(self, activation: str) -> None:
        self.activation = activation

    def forward(self, x: _core.Tensor) -> _core.Tensor:
        slope = self.parameter("slope", x.shape[-1:], "ones")
        activated: _core.Tensor = getattr(_functions, self.activation)(x)
        return x + (activated - x) * slope


class Fading(Layer):
    """The rate of dropouts at each step of training: `rate` in the first half, then down to 0 along a half cosine.

    The number of the step is a state of the network, so that nothing is compiled anew as the rate changes: x (batch,
    columns), which is not looked at, -> (1,).
    """

    def __init__(self, rate: float, steps: int) -> None:
        self.rate, self.steps = rate, steps

    def forward(self, x: _core.Tensor) -> _core.Tensor:
        step = self.state("step", (1,), "zeros")
        part = _functions.clip(step * (2 / self.steps) - 1, 0.0, 1.0)
        rate = (_functions.cos(part * np.pi) + 1) * (self.rate / 2)
        return _functions.track(rate, step, step + 1, 1.0)


class ScheduledDropout(Layer):
    """Dropout whose rate is a tensor (1,): x (batch, columns), rate -> (batch, columns)."""

    def forward(self, x: _core.Tensor, rate: _core.Tensor) -> _core.Tensor:
        drawn = _functions.random_uniform((None, x.shape[1]), dtype=x.dtype)
        zero = ops.constant(np.zeros(1), dtype=x.dtype)
        kept = _functions.where(drawn >= rate, 1 / (1 - rate), zero)
        return _functions.by_mode(x * kept, x)


class Within(Layer):
    """What is predicted, outside of training no less and no more than what was seen."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def forward(self, x: _core.Tensor) -> _core.Tensor:
        return _functions.by_mode(x, _functions.clip(x, self.low, self.high))


def features(
    schema: Schema, scaling: Scaling, of_categories: Scaling, numbers: _core.Tensor, codes: _core.Tensor
) -> _core.Tensor:
    """All that the layers get of a row, side by side."""
    parts = []
    if schema.numbers:
        missing = [i for i, column in enumerate(schema.numbers) if column.missing]
        scaled, count = Numbers(scaling, missing)(numbers), len(schema.numbers)
        parts.append(Periodic()(scaled[:, :count]))
        if missing:
            parts.append(scaled[:, count:])
    if schema.categories:
        parts.append(ScaledCategories([len(column.categories) for column in schema.categories], of_categories)(codes))
    return parts[0] if len(parts) == 1 else _functions.concat(parts, axis=1)


def body(
    x: _core.Tensor, hidden: Sequence[int], dropout: float, outputs: int, steps: int, limits: tuple[float, float] | None
) -> _core.Tensor:
    """From features to logits, or to numbers within limits; `steps`: of all the training."""
    activation = "selu" if limits is None else "mish"
    rate = Fading(dropout, steps)(x) if dropout > 0 else None
    x = Scale()(x)
    for units in hidden:
        x = Parametric(activation)(Dense(units)(x))
        if rate is not None:
            x = ScheduledDropout()(x, rate)
    y = Dense(outputs)(x)
    return y if limits is None else Within(*limits)(y)


def _normal(deviation: float) -> Any:
    return lambda shape, generator: generator.normal(0, deviation, shape)


def _uniform(bound: float) -> Any:
    return lambda shape, generator: generator.uniform(-bound, bound, shape)
