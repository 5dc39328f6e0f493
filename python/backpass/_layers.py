"""Layers: descriptions that a model turns into operations and parameters."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from backpass import _checks, _core

ACTIVATIONS = ("relu", "leaky_relu", "sigmoid", "tanh", "gelu", "softplus", "softmax", "identity")
INITIALIZERS = ("zeros", "ones", "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_normal")


@dataclass(frozen=True)
class Layer:
    """What all layers share: they are immutable, compare by their settings and print as they are written."""

    def settings(self) -> dict[str, bool | int | float | str]:
        """The settings by name, as they are saved with a model; what was left out is an empty string.

        Example:
            >>> import backpass as bp
            >>> bp.Dropout(0.5).settings()
            {'rate': 0.5}
        """
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: "" if value is None else value for name, value in values.items()}

    def _native(self) -> _core.Layer:
        return _core.make_layer(type(self).__name__, self.settings())

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)  # how a frozen dataclass keeps what its check made of an argument


@dataclass(frozen=True)
class Dense(Layer):
    """A fully connected layer: y = activation(x Wᵀ + b) over the last axis.

    Parameters are `weight` (units, in) and `bias` (units). Weights start He uniform before ReLU, LeakyReLU, GELU and
    Softplus (He et al. 2015), Glorot uniform otherwise (Glorot and Bengio 2010); "before" looks ahead to the first
    activation of the model.

    Args:
        units: how many outputs each row has.
        activation: "relu", "leaky_relu", "sigmoid", "tanh", "gelu", "softplus", "softmax", "identity" or None.
        bias: whether b is there.
        weight_init: "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_normal", "ones", "zeros",
            or None for the choice above.
        bias_init: one of the same names.

    Raises:
        ValueError: where `units` is not positive or a name is unknown.

    Example:
        >>> import backpass as bp
        >>> bp.Dense(3, activation="relu")
        Dense(units=3, activation='relu', bias=True, weight_init=None, bias_init='zeros')
    """

    units: int
    activation: str | None = None
    bias: bool = True
    weight_init: str | None = None
    bias_init: str = "zeros"

    def __post_init__(self) -> None:
        self._set("units", _checks.integer("Dense", "units", self.units, minimum=1))
        if self.activation is not None:
            _checks.choice("Dense", "activation", self.activation, ACTIVATIONS)
        if self.weight_init is not None:
            _checks.choice("Dense", "weight_init", self.weight_init, INITIALIZERS)
        _checks.choice("Dense", "bias_init", self.bias_init, INITIALIZERS)
        _checks.flag("Dense", "bias", self.bias)


@dataclass(frozen=True)
class Dropout(Layer):
    """In training each element is zero with probability `rate`, the others are divided by 1 - rate.

    Outside training it does nothing (Srivastava et al. 2014, in the inverted form).

    Args:
        rate: at least 0, below 1.

    Raises:
        ValueError: where `rate` is outside.

    Example:
        >>> import backpass as bp
        >>> bp.Dropout(0.2)
        Dropout(rate=0.2)
    """

    rate: float

    def __post_init__(self) -> None:
        rate = _checks.number("Dropout", "rate", self.rate)
        if not 0 <= rate < 1:
            raise ValueError(f"[Dropout] rate must be at least 0 and below 1, got {rate}")
        self._set("rate", rate)


@dataclass(frozen=True)
class ReLU(Layer):
    """max(x, 0), with derivative 0 at 0 (Nair and Hinton 2010)."""


@dataclass(frozen=True)
class LeakyReLU(Layer):
    """x where x > 0, slope x elsewhere; the derivative at 0 is the slope (Maas et al. 2013).

    Args:
        slope: a finite number.
    """

    slope: float = 0.01

    def __post_init__(self) -> None:
        slope = _checks.number("LeakyReLU", "slope", self.slope)
        if not abs(slope) < float("inf"):
            raise ValueError(f"[LeakyReLU] slope must be finite, got {slope}")
        self._set("slope", slope)


@dataclass(frozen=True)
class Sigmoid(Layer):
    """a = 1 / (1 + exp(-x)), with derivative a (1 - a)."""


@dataclass(frozen=True)
class Tanh(Layer):
    """a = tanh(x), with derivative 1 - a^2."""


@dataclass(frozen=True)
class GELU(Layer):
    """x Phi(x), where Phi is the standard normal distribution function (Hendrycks and Gimpel 2016)."""


@dataclass(frozen=True)
class Softplus(Layer):
    """log(1 + exp(x)), without overflow; its derivative is the sigmoid."""


@dataclass(frozen=True)
class Softmax(Layer):
    """exp(x_i) / sum_j exp(x_j) over the last axis. `CrossEntropy` takes logits: leave this layer out before it."""


@dataclass(frozen=True)
class Identity(Layer):
    """x."""


LAYERS: dict[str, type[Any]] = {
    cls.__name__: cls for cls in (Dense, Dropout, ReLU, LeakyReLU, Sigmoid, Tanh, GELU, Softplus, Softmax, Identity)
}


def layer_from(type_name: str, settings: dict[str, Any]) -> Layer:
    """A layer from what a file says."""
    cls = LAYERS[type_name]
    known = {field.name for field in fields(cls)}
    layer: Layer = cls(**{key: None if value == "" else value for key, value in settings.items() if key in known})
    return layer
