"""Our layers: descriptions that a model turns into operations and parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from backpass import _checks, _core
from backpass._layer import Layer, initializer_of

if TYPE_CHECKING:
    import numpy as np

ACTIVATIONS = (
    "relu", "leaky_relu", "sigmoid", "tanh", "gelu", "gelu_tanh", "softplus", "elu", "selu", "silu", "mish",
    "hardtanh", "relu6", "softmax", "identity",
)  # fmt: skip
INITIALIZERS = (
    "zeros", "ones", "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal",
    "orthogonal",
)  # fmt: skip


Activation: TypeAlias = Callable[[_core.Tensor], _core.Tensor]
Initializer: TypeAlias = "Callable[[tuple[int, ...], np.random.Generator], Any]"  # importing numpy.random takes time


class _Fixed(Layer):
    """Layers of this module: immutable, equal by their settings.

    A setting that may be left out is a class attribute: its default.
    """

    def _describe(self) -> _core.Layer:
        if type(self).forward is not Layer.forward and type(self) not in _OURS:
            return super()._describe()
        name = next(cls.__name__ for cls in type(self).__mro__ if cls in _OURS)
        return _core.make_layer(name, self.settings())

    def _keep(self, **settings: object) -> None:
        self.__dict__.update(settings)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"[{type(self).__name__}] a layer cannot be changed: make another one")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._own() == getattr(other, "_own", dict)()

    def __hash__(self) -> int:
        return hash((type(self), *self._own().values()))


class Dense(_Fixed):
    """A fully connected layer: y = activation(x Wᵀ + b) over the last axis.

    Parameters are `weight` (units, in) and `bias` (units). Weights start LeCun normal before SELU (Klambauer et al.
    2017), He uniform before ReLU, LeakyReLU, ReLU6, ELU, GELU, SiLU, Mish and Softplus (He et al. 2015), Glorot uniform
    otherwise (Glorot and Bengio 2010); "before" means the first activation that follows in the model, before another
    product.

    Args:
        units: how many outputs each row has.
        activation: "relu", "leaky_relu", "sigmoid", "tanh", "gelu", "gelu_tanh", "softplus", "elu", "selu", "silu",
            "mish", "hardtanh", "relu6", "softmax", "identity", a function of a tensor, a layer, or None.
        bias: whether b is there.
        weight_init: "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal"
            (LeCun et al. 1998), "orthogonal" (orthonormal rows or columns, whichever fit: Saxe et al. 2014), "ones",
            "zeros", a function (shape, generator) -> array, or None for the choice above.
        bias_init: one of the same names, or a function.

    Raises:
        ValueError: where `units` is not positive or a name is unknown.

    Example:
        >>> import backpass as bp
        >>> bp.Dense(3, activation="relu")
        Dense(units=3, activation='relu')
    """

    units: int
    activation: str | Activation | None = None
    bias: bool = True
    weight_init: str | Initializer | None = None
    bias_init: str | Initializer = "zeros"

    def __init__(
        self,
        units: int,
        activation: str | Activation | None = None,
        bias: bool = True,
        weight_init: str | Initializer | None = None,
        bias_init: str | Initializer = "zeros",
    ) -> None:
        self._keep(
            units=_checks.integer("Dense", "units", units, minimum=1),
            activation=_one_of("activation", activation, ACTIVATIONS),
            bias=_checks.flag("Dense", "bias", bias),
            weight_init=_one_of("weight_init", weight_init, INITIALIZERS),
            bias_init=_one_of("bias_init", bias_init, INITIALIZERS) or "zeros",
        )

    def _describe(self) -> _core.Layer:
        if callable(self.activation) or type(self).forward is not Dense.forward:
            return Layer._describe(self)
        inits = initializer_of(self.weight_init), initializer_of(self.bias_init)
        return _core.dense(self.units, self.activation or "", self.bias, *inits)

    def forward(self, x: _core.Tensor) -> _core.Tensor:
        """The same by operations, for an activation of one's own."""
        z = _core.matmul(x, self.parameter("weight", (self.units, x.shape[-1]), self.weight_init), transpose_b=True)
        if self.bias:
            z = z + self.parameter("bias", (self.units,), self.bias_init)
        _core.layer_z(z)
        return self.activation(z) if callable(self.activation) else z


def _one_of(name: str, value: Any, choices: tuple[str, ...]) -> Any:
    return value if value is None or callable(value) else _checks.choice("Dense", name, value, choices)


class Dropout(_Fixed):
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


class ReLU(_Fixed):
    """max(x, 0), with derivative 0 at 0 (Nair and Hinton 2010)."""


class LeakyReLU(_Fixed):
    """x where x > 0, slope x elsewhere; the derivative at 0 is the slope (Maas et al. 2013).

    Args:
        slope: a finite number.
    """

    slope: float = 0.01

    def __init__(self, slope: float = 0.01) -> None:
        self._keep(slope=_checks.number("LeakyReLU", "slope", slope))
        if not abs(self.slope) < float("inf"):
            raise ValueError(f"[LeakyReLU] slope must be finite, got {slope}")


class Sigmoid(_Fixed):
    """a = 1 / (1 + exp(-x)), with derivative a (1 - a)."""


class Tanh(_Fixed):
    """a = tanh(x), with derivative 1 - a^2."""


class GELU(_Fixed):
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


class ELU(_Fixed):
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


class SELU(_Fixed):
    """s x where x > 0, s alpha (exp(x) - 1) elsewhere, with s = 1.0507... and alpha = 1.6732... .

    After weights of mean 0 and variance 1 / in (LeCun normal), activations keep mean 0 and variance 1 from layer to
    layer (Klambauer et al. 2017). The derivative at 0 is s alpha.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.SELU(), input_shape=2, dtype="float64")
        >>> model.predict([[-1e3, 1.0]]).round(6).tolist()
        [[-1.758099, 1.050701]]
    """


class SiLU(_Fixed):
    """x sigmoid(x), also called swish (Elfwing et al. 2018).

    Example:
        >>> import backpass as bp
        >>> bp.Sequential(bp.SiLU(), input_shape=1, dtype="float64").predict([[0.0], [1.0]]).round(6).tolist()
        [[0.0], [0.731059]]
    """


class Mish(_Fixed):
    """x tanh(softplus(x)) (Misra 2020).

    Example:
        >>> import backpass as bp
        >>> bp.Sequential(bp.Mish(), input_shape=1, dtype="float64").predict([[0.0], [1.0]]).round(6).tolist()
        [[0.0], [0.865098]]
    """


class Hardtanh(_Fixed):
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


class ReLU6(_Fixed):
    """min(max(x, 0), 6), with derivative 0 at 0 and 6 (Krizhevsky 2010).

    Example:
        >>> import backpass as bp
        >>> bp.Sequential(bp.ReLU6(), input_shape=3).predict([[-1.0, 3.0, 9.0]]).tolist()
        [[0.0, 3.0, 6.0]]
    """


class Softplus(_Fixed):
    """log(1 + exp(x)), without overflow; its derivative is the sigmoid."""


class Softmax(_Fixed):
    """exp(x_i) / sum_j exp(x_j) over the last axis. `CrossEntropy` takes logits: leave this layer out before it."""


class Identity(_Fixed):
    """x."""


class Residual(_Fixed):
    """x + f(x), where f is some layers one after the other (He et al. 2016, equation 1).

    Args:
        layers: their output must have the shape of their input.

    Raises:
        TypeError: where a layer is not one.
        ValueError: where there is none.

    Example:
        >>> import backpass as bp
        >>> block = bp.Residual(bp.Dense(4, activation="relu"), bp.Dense(4))
        >>> list(bp.Sequential(block, bp.Dense(1), input_shape=4, seed=0).parameters())
        ['0.0.weight', '0.0.bias', '0.1.weight', '0.1.bias', '1.weight', '1.bias']
    """

    layers: tuple[Layer, ...]

    def __init__(self, *layers: Layer) -> None:
        self._keep(layers=checked_layers("Residual", layers))

    def settings(self) -> dict[str, Any]:
        """The layers within, as pairs of a type and its settings."""
        return {"layers": [(type(layer).__name__, layer.settings()) for layer in self.layers]}

    def _describe(self) -> _core.Layer:
        return _core.residual([layer._native() for layer in self.layers])

    def _changes(self) -> str:
        return ", ".join(map(repr, self.layers))


def checked_layers(where: str, layers: tuple[Any, ...]) -> tuple[Layer, ...]:
    """The layers, where they are some."""
    for index, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise TypeError(f"[{where}] layer {index} must be a layer, got {layer!r}")
    if not layers:
        raise ValueError(f"[{where}] needs at least one layer")
    return layers


LAYERS: dict[str, type[Any]] = {
    cls.__name__: cls
    for cls in (
        Dense, Dropout, ReLU, LeakyReLU, Sigmoid, Tanh, GELU, Softplus, ELU, SELU, SiLU, Mish, Hardtanh, ReLU6, Softmax,
        Identity, Residual,
    )
}  # fmt: skip
_OURS = frozenset(LAYERS.values())


def layer_from(type_name: str, settings: dict[str, Any]) -> Layer:
    """A layer from what a file says."""
    if type_name == "Residual":
        return Residual(*(layer_from(name, inner) for name, inner in settings["layers"]))
    layer: Layer = LAYERS[type_name](**{name: None if value == "" else value for name, value in settings.items()})
    return layer
