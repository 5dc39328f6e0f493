"""Dense, Dropout and Residual: descriptions that a model turns into operations and parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from backpass import _checks, _core, _functions, _names
from backpass.layers._fixed import ACTIVATION_ALIASES, Fixed, checked_layers
from backpass.layers._layer import Layer

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "Dense",
    "Dropout",
    "Residual",
]

ACTIVATIONS = tuple(_core.activations())
DEEPEST = 500  # levels of blocks within blocks, into which building goes down

Activation: TypeAlias = Callable[[_core.Tensor], _core.Tensor]
Initializer: TypeAlias = "Callable[[tuple[int, ...], np.random.Generator], Any]"  # importing numpy.random takes time


class Dense(Fixed):
    """A fully connected layer: y = activation(x Wᵀ + b) over the last axis.

    Parameters are `weight` (units, in) and `bias` (units). Weights start LeCun normal before SELU (Klambauer et al.
    2017), He uniform before ReLU and its kin, such as LeakyReLU, GELU and Softplus (He et al. 2015), Glorot uniform
    otherwise (Glorot and Bengio 2010); "before" means the first activation that follows in the model, before another
    product. The last of several layers, which no activation follows but softmax or sigmoid, starts at a tenth of
    Glorot's: docs/training.md says why.

    Args:
        units: how many outputs each row has.
        activation: what is applied to the output: a name ("relu", "tanh", "gelu", "softmax", ...: docs/mathematics.md
            has a table), a function of a tensor, a layer, or None.
        bias: whether there is a bias b.
        weight_init: how the weights start: "glorot_uniform", "glorot_normal", "he_uniform", "he_normal",
            "lecun_uniform", "lecun_normal" (LeCun et al. 1998), "orthogonal" (orthonormal rows or columns, whichever
            fit: Saxe et al. 2014), "ones", "zeros", a function (shape, generator) -> array, or None for the choice
            above.
        bias_init: how b starts: one of the same names, or a function.

    Raises:
        ValueError: if `units` is not positive or a name is unknown.

    Example:
        >>> import backpass as bp
        >>> bp.Dense(3, activation="relu")
        Dense(units=3, activation='relu')
    """

    _may_hold = True

    units: int
    activation: str | Activation | None
    bias: bool
    weight_init: str | Initializer | None
    bias_init: str | Initializer

    def __init__(
        self,
        units: int,
        activation: str | Activation | None = None,
        bias: bool = True,
        weight_init: str | Initializer | None = None,
        bias_init: str | Initializer = "zeros",
    ) -> None:
        self._keep(
            units=units,
            activation=_activation(activation),
            bias=bias,
            weight_init=weight_init,
            bias_init="zeros" if bias_init is None else bias_init,
        )

    def _is_rewritten(self) -> bool:
        return callable(self.activation) or type(self).forward is not Dense.forward

    def forward(self, x: _core.Tensor) -> _core.Tensor:
        """The same by operations, for an activation of one's own."""
        weight = self.parameter("weight", (self.units, x.shape[-1]), self.weight_init)
        z = _functions.matmul(x, weight, transpose_b=True)
        if self.bias:
            z = z + self.parameter("bias", (self.units,), self.bias_init)
        _core.layer_z(z)
        return self.activation(z) if callable(self.activation) else z


def _activation(value: Any) -> Any:
    """A name whatever its case, a function, a layer, or None."""
    if isinstance(value, int) and not isinstance(value, bool):
        raise TypeError(
            f"[Dense] activation must be a name or a function, got {value!r}: how many inputs a row has is inferred, "
            f"so that PyTorch's Linear(in, out) is Dense(out)"
        )
    if isinstance(value, type) and issubclass(value, Layer):
        raise TypeError(f"[Dense] activation must be a name or a function, got a class: write {value.__name__}()")
    if not isinstance(value, str):
        return value if value is None or callable(value) else _checks.text("Dense", "activation", value)
    return _names.lookup("Dense", "activation", value, {name: name for name in ACTIVATIONS}, ACTIVATION_ALIASES)


class Dropout(Fixed):
    """In training, sets each element to zero with probability `rate` and divides the others by 1 - rate.

    Outside training it does nothing (Srivastava et al. 2014, in the inverted form).

    Args:
        rate: how likely each element is dropped; at least 0, below 1.

    Raises:
        ValueError: if `rate` is out of range.

    Example:
        >>> import backpass as bp
        >>> bp.Dropout(0.2)
        Dropout(rate=0.2)
    """

    rate: float

    def __init__(self, rate: float) -> None:
        self._keep(rate=rate)


class Residual(Fixed):
    """x + f(x), where f is a stack of layers (He et al. 2016, equation 1).

    Args:
        layers: what f is, one after the other or as one list; their output must have the shape of their input.

    Raises:
        TypeError: if a layer is not one.
        ValueError: if there is none, or blocks are nested more than 500 deep.

    Example:
        >>> import backpass as bp
        >>> block = bp.Residual(bp.Dense(4, activation="relu"), bp.Dense(4))
        >>> list(bp.Sequential(block, bp.Dense(1), input_shape=4, seed=0).parameters())
        ['0.0.weight', '0.0.bias', '0.1.weight', '0.1.bias', '1.weight', '1.bias']
    """

    _may_hold = True

    layers: tuple[Layer, ...]
    _depth: int

    def __init__(self, *layers: Layer | str | Sequence[Layer | str]) -> None:
        self._keep(layers=checked_layers("Residual", layers))
        within = [layer for layer in self.layers if isinstance(layer, Residual)]
        depth = 1 + max((layer._depth for layer in within), default=0)
        if depth > DEEPEST:
            raise ValueError(f"[Residual] blocks can be within each other {DEEPEST} times at most; put them in a row")
        for layer in within:
            layer._native()  # from within: none of many levels waits for another
        self.__dict__["_depth"] = depth

    def _changes(self) -> str:
        return ", ".join(map(repr, self.layers))
