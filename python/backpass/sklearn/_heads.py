"""Heads: what the outputs of a network mean, which loss trains them, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit, ndtri, softmax, xlogy

from backpass import _checks, _functions
from backpass.layers import Layer
from backpass.losses import BinaryCrossEntropy, CrossEntropy, GaussianNLL, HalfMSE, Loss, Poisson
from backpass.losses._loss import resolved
from backpass.sklearn._parameters import quantiles as checked_quantiles


@dataclass(frozen=True)
class Head:
    """`columns` of a target, for which a network has `units` outputs."""

    columns: int
    loss: Any
    factor: float = 1.0  # turns the loss into a sum over columns, mean over rows
    out_activation: ClassVar[str] = "identity"

    @property
    def units(self) -> int:
        return self.columns

    def layers(self) -> list[Layer]:
        """What follows the last dense layer."""
        return []

    def reported(self, loss: float, target: Any) -> float:
        """The loss of the data as scikit-learn counts it."""
        return loss

    def cure(self, outputs: list[Any]) -> str:
        """What to do about a network with outputs of other shapes, to end a message."""
        return f": the last layer is Dense({self.units})"


# Classes.


class OfClasses(Head):
    """Logits of classes."""

    def probabilities(self, logits: Any) -> Any:
        """(rows, classes), or of each label."""
        raise NotImplementedError

    def log_probabilities(self, logits: Any) -> Any:
        """Their logarithms: -inf, as in scikit-learn, of what is too unlikely for a number."""
        with np.errstate(divide="ignore"):
            return np.log(self.probabilities(logits))


class Logistic(OfClasses):
    """Independent yes or no: one for two classes, one for each label."""

    out_activation = "logistic"

    @classmethod
    def of(cls, columns: int, loss: Any) -> Logistic:
        return cls(columns, loss or BinaryCrossEntropy(), 1.0 if loss else float(columns))

    def cure(self, outputs: list[Any]) -> str:
        if self.columns == 1 and outputs == [(None, 2)]:
            return ": two classes are one logit, Dense(1), or two with loss=CrossEntropy()"
        return super().cure(outputs)

    def probabilities(self, logits: Any) -> Any:
        return expit(logits) if self.columns > 1 else np.concatenate([expit(-logits), expit(logits)], axis=1)


class Softmax(OfClasses):
    """One of several classes."""

    out_activation = "softmax"

    @classmethod
    def of(cls, columns: int, loss: Any) -> Softmax:
        return cls(columns, loss or CrossEntropy())

    def probabilities(self, logits: Any) -> Any:
        return softmax(logits, axis=1)


# Numbers.


class Numbers(Head):
    """Estimates of the targets themselves, under any loss of numbers."""

    def estimates(self, outputs: Any) -> Any:
        """What `predict` gives, (rows, columns)."""
        return outputs

    def at(self, outputs: Any, q: float) -> Any:
        """The q-quantiles, (rows, columns)."""
        raise ValueError('predict_quantiles and predict_interval need loss="quantile" or loss="gaussian"')


class SquaredError(Numbers):
    """Half the squared error; scikit-learn tells its mean over columns, and follows the gradient of the sum."""

    def reported(self, loss: float, target: Any) -> float:
        return loss / self.columns


class Rates(Numbers):
    """Logarithms of the rates of counts."""

    out_activation = "exp"

    def estimates(self, outputs: Any) -> Any:
        return np.exp(outputs)

    def reported(self, loss: float, target: Any) -> float:
        return loss + float((xlogy(target, target) - target).sum(axis=1).mean())


@dataclass(frozen=True)
class Pinball(Loss):
    """The sum over quantiles of the pinball loss (Koenker and Bassett 1978), mean over rows and columns."""

    quantiles: tuple[float, ...]

    def target_shape(self, prediction: Any) -> Any:
        return (prediction[0], prediction[1] // len(self.quantiles))

    def forward(self, prediction: Any, target: Any) -> Any:
        columns = target.shape[1]
        total = None
        for i, q in enumerate(self.quantiles):
            error = target - prediction[:, i * columns : (i + 1) * columns]
            term = _functions.sum(_functions.maximum(error * q, error * (q - 1)), 1)
            total = term if total is None else total + term
        return total / columns


@dataclass(frozen=True)
class Quantiles(Numbers):
    """The quantiles of each column: (rows, quantiles * columns), quantile by quantile."""

    levels: tuple[float, ...] = field(kw_only=True)

    @property
    def units(self) -> int:
        return self.columns * len(self.levels)

    def estimates(self, outputs: Any) -> Any:
        return self.at(outputs, 0.5)

    def at(self, outputs: Any, q: float) -> Any:
        """Between those that were trained, linearly; those that cross are put in order (Chernozhukov et al. 2010)."""
        if not self.levels[0] <= q <= self.levels[-1]:
            raise ValueError(f"quantiles must lie within those that were trained, {self.levels}, got {q}")
        trained = np.sort(outputs.reshape(len(outputs), len(self.levels), self.columns), axis=1)
        place = float(np.interp(q, self.levels, np.arange(len(self.levels))))
        low, share = int(place), place - int(place)
        if share == 0:
            return trained[:, low]
        return trained[:, low] * (1 - share) + trained[:, low + 1] * share


class PositiveVariances(Layer):
    """The second half of the outputs made positive by softplus."""

    def forward(self, x: Any) -> Any:
        half = x.shape[1] // 2
        return _functions.concat([x[:, :half], _functions.softplus(x[:, half:])], axis=1)


class Normal(Numbers):
    """Mean and variance of each column: (rows, 2 columns), means first."""

    @property
    def units(self) -> int:
        return 2 * self.columns

    def layers(self) -> list[Layer]:
        return [PositiveVariances()]

    def estimates(self, outputs: Any) -> Any:
        return outputs[:, : self.columns]

    def at(self, outputs: Any, q: float) -> Any:
        mean, variance = outputs[:, : self.columns], outputs[:, self.columns :]
        return mean + np.sqrt(variance) * outputs.dtype.type(ndtri(q))


def of_numbers(where: str, loss: Any, columns: int, levels: Any) -> Numbers:
    """The head for a loss: one of scikit-learn's names, "quantile", "gaussian", or a loss of ours or its name."""
    if not isinstance(loss, str):
        return Numbers(columns, resolved(where, loss))
    match loss:
        case "squared_error":
            return SquaredError(columns, HalfMSE())
        case "poisson":
            return Rates(columns, Poisson(), float(columns))
        case "quantile":
            trained = checked_quantiles(where, "quantiles", levels)
            return Quantiles(columns, Pinball(trained), levels=trained)
        case "gaussian":
            return Normal(columns, GaussianNLL())
        case _:
            return Numbers(columns, resolved(where, _checks.text(where, "loss", loss)))
