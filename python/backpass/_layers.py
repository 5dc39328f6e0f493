"""Layers: descriptions that a model turns into operations and parameters."""

from __future__ import annotations

from typing import Any, NoReturn

from backpass import _checks, _core

ACTIVATIONS = (
    "relu", "leaky_relu", "sigmoid", "tanh", "gelu", "gelu_tanh", "softplus", "elu", "selu", "silu", "mish",
    "hardtanh", "relu6", "softmax", "identity",
)  # fmt: skip
INITIALIZERS = (
    "zeros", "ones", "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal",
    "orthogonal",
)  # fmt: skip


class Layer:
    """What all layers share: they are immutable, compare by their settings and print as they are written.

    A setting that may be left out is a class attribute: its default.
    """

    def settings(self) -> dict[str, bool | int | float | str]:
        """The settings by name, as they are saved with a model; what was left out is an empty string.

        Example:
            >>> import backpass as bp
            >>> bp.Dropout(0.5).settings()
            {'rate': 0.5}
        """
        return {name: "" if value is None else value for name, value in vars(self).items()}

    def _native(self) -> _core.Layer:
        return _core.make_layer(type(self).__name__, self.settings())

    def _keep(self, **settings: object) -> None:
        self.__dict__.update(settings)

    def _changes(self) -> str:
        """The settings that are not defaults, as one would write them."""
        missing = object()
        changed = [(name, v) for name, v in vars(self).items() if v != getattr(type(self), name, missing)]
        return ", ".join(f"{name}={value!r}" for name, value in changed)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"[{type(self).__name__}] a layer cannot be changed: make another one")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._changes()})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).values()))


class Dense(Layer):
    """A fully connected layer: y = activation(x Wᵀ + b) over the last axis.

    Parameters are `weight` (units, in) and `bias` (units). Weights start LeCun normal before SELU (Klambauer et al.
    2017), He uniform before ReLU, LeakyReLU, ReLU6, ELU, GELU, SiLU, Mish and Softplus (He et al. 2015), Glorot uniform
    otherwise (Glorot and Bengio 2010); "before" looks ahead to the first activation of the model.

    Args:
        units: how many outputs each row has.
        activation: "relu", "leaky_relu", "sigmoid", "tanh", "gelu", "gelu_tanh", "softplus", "elu", "selu", "silu",
            "mish", "hardtanh", "relu6", "softmax", "identity" or None.
        bias: whether b is there.
        weight_init: "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal"
            (LeCun et al. 1998), "orthogonal" (orthonormal rows or columns, whichever fit: Saxe et al. 2014), "ones",
            "zeros", or None for the choice above.
        bias_init: one of the same names.

    Raises:
        ValueError: where `units` is not positive or a name is unknown.

    Example:
        >>> import backpass as bp
        >>> bp.Dense(3, activation="relu")
        Dense(units=3, activation='relu')
    """

    units: int
    activation: str | None = None
    bias: bool = True
    weight_init: str | None = None
    bias_init: str = "zeros"

    def __init__(
        self,
        units: int,
        activation: str | None = None,
        bias: bool = True,
        weight_init: str | None = None,
        bias_init: str = "zeros",
    ) -> None:
        self._keep(
            units=_checks.integer("Dense", "units", units, minimum=1),
            activation=_one_of("activation", activation, ACTIVATIONS),
            bias=_checks.flag("Dense", "bias", bias),
            weight_init=_one_of("weight_init", weight_init, INITIALIZERS),
            bias_init=_checks.choice("Dense", "bias_init", bias_init, INITIALIZERS),
        )


def _one_of(name: str, value: str | None, choices: tuple[str, ...]) -> str | None:
    return None if value is None else _checks.choice("Dense", name, value, choices)


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

    def __init__(self, rate: float) -> None:
        self._keep(rate=_checks.number("Dropout", "rate", rate))
        if not 0 <= self.rate < 1:
            raise ValueError(f"[Dropout] rate must be at least 0 and below 1, got {rate}")


class ReLU(Layer):
    """max(x, 0), with derivative 0 at 0 (Nair and Hinton 2010)."""


class LeakyReLU(Layer):
    """x where x > 0, slope x elsewhere; the derivative at 0 is the slope (Maas et al. 2013).

    Args:
        slope: a finite number.
    """

    slope: float = 0.01

    def __init__(self, slope: float = 0.01) -> None:
        self._keep(slope=_checks.number("LeakyReLU", "slope", slope))
        if not abs(self.slope) < float("inf"):
            raise ValueError(f"[LeakyReLU] slope must be finite, got {slope}")


class Sigmoid(Layer):
    """a = 1 / (1 + exp(-x)), with derivative a (1 - a)."""


class Tanh(Layer):
    """a = tanh(x), with derivative 1 - a^2."""


class GELU(Layer):
    """x Phi(x), where Phi is the standard normal distribution function (Hendrycks and Gimpel 2016).

    Args:
        approximate: "none", or "tanh" for x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.

    Raises:
        ValueError: where `approximate` is something else.

    Example:
        >>> import backpass as bp
        >>> bp.GELU("tanh")
        GELU(approximate='tanh')
    """

    approximate: str = "none"

    def __init__(self, approximate: str = "none") -> None:
        self._keep(approximate=_checks.choice("GELU", "approximate", approximate, ("none", "tanh")))


class ELU(Layer):
    """x where x > 0, alpha (exp(x) - 1) elsewhere; the derivative at 0 is alpha (Clevert et al. 2016).

    Args:
        alpha: positive and finite.

    Raises:
        ValueError: where `alpha` is outside.

    Example:
        >>> import backpass as bp
        >>> bp.ELU(0.5)
        ELU(alpha=0.5)
    """

    alpha: float = 1.0

    def __init__(self, alpha: float = 1.0) -> None:
        self._keep(alpha=_checks.number("ELU", "alpha", alpha))
        if not 0 < self.alpha < float("inf"):
            raise ValueError(f"[ELU] alpha must be positive and finite, got {alpha}")


class SELU(Layer):
    """s x where x > 0, s alpha (exp(x) - 1) elsewhere, with s = 1.0507... and alpha = 1.6732... .

    After weights of mean 0 and variance 1 / in (LeCun normal), activations keep mean 0 and variance 1 from layer to
    layer (Klambauer et al. 2017). The derivative at 0 is s alpha.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.SELU(), input_shape=2, dtype="float64")
        >>> model.predict([[-1e3, 1.0]]).round(6).tolist()
        [[-1.758099, 1.050701]]
    """


class SiLU(Layer):
    """x sigmoid(x), also called swish (Elfwing et al. 2018).

    Example:
        >>> import backpass as bp
        >>> bp.Sequential(bp.SiLU(), input_shape=1, dtype="float64").predict([[0.0], [1.0]]).round(6).tolist()
        [[0.0], [0.731059]]
    """


class Mish(Layer):
    """x tanh(softplus(x)) (Misra 2020).

    Example:
        >>> import backpass as bp
        >>> bp.Sequential(bp.Mish(), input_shape=1, dtype="float64").predict([[0.0], [1.0]]).round(6).tolist()
        [[0.0], [0.865098]]
    """


class Hardtanh(Layer):
    """x within [min, max], the nearer bound beyond; the derivative at and beyond a bound is 0 (Collobert 2004).

    Args:
        min: the lower bound.
        max: the upper bound, above `min`; both are finite.

    Raises:
        ValueError: where the bounds are not finite or not in order.

    Example:
        >>> import backpass as bp
        >>> bp.Hardtanh(max=2.0)
        Hardtanh(max=2.0)
    """

    min: float = -1.0
    max: float = 1.0

    def __init__(self, min: float = -1.0, max: float = 1.0) -> None:
        self._keep(min=_checks.number("Hardtanh", "min", min), max=_checks.number("Hardtanh", "max", max))
        if not -float("inf") < self.min < self.max < float("inf"):
            raise ValueError(f"[Hardtanh] min must be below max, and both finite, got {min} and {max}")


class ReLU6(Layer):
    """min(max(x, 0), 6), with derivative 0 at 0 and 6 (Krizhevsky 2010).

    Example:
        >>> import backpass as bp
        >>> bp.Sequential(bp.ReLU6(), input_shape=3).predict([[-1.0, 3.0, 9.0]]).tolist()
        [[0.0, 3.0, 6.0]]
    """


class Softplus(Layer):
    """log(1 + exp(x)), without overflow; its derivative is the sigmoid."""


class Softmax(Layer):
    """exp(x_i) / sum_j exp(x_j) over the last axis. `CrossEntropy` takes logits: leave this layer out before it."""


class Identity(Layer):
    """x."""


LAYERS: dict[str, type[Any]] = {
    cls.__name__: cls
    for cls in (
        Dense, Dropout, ReLU, LeakyReLU, Sigmoid, Tanh, GELU, Softplus, ELU, SELU, SiLU, Mish, Hardtanh, ReLU6, Softmax,
        Identity,
    )
}  # fmt: skip


def layer_from(type_name: str, settings: dict[str, Any]) -> Layer:
    """A layer from what a file says."""
    layer: Layer = LAYERS[type_name](**{name: None if value == "" else value for name, value in settings.items()})
    return layer
