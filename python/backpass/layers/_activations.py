"""Activation layers. Those without settings that apply one function are made by the core's list: see _plain."""

from __future__ import annotations

from backpass.layers._fixed import Fixed
from backpass.layers._plain import *  # noqa: F403

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "Hardtanh",
    "Identity",
    "LeakyReLU",
    "ReLU6",
    "Softmax",
]


class LeakyReLU(Fixed):
    """x where x > 0, slope x elsewhere; the derivative at 0 is the slope (Maas et al. 2013).

    Args:
        slope: the slope where x <= 0; finite.

    Example:
        >>> import backpass as bp
        >>> bp.LeakyReLU(0.2)
        LeakyReLU(slope=0.2)
    """

    slope: float

    def __init__(self, slope: float = 0.01) -> None:
        self._keep(slope=slope)


class GELU(Fixed):
    """x Phi(x), where Phi is the standard normal distribution function (Hendrycks and Gimpel 2016).

    Args:
        approximate: how Phi is computed: "none" as it is, or "tanh" for
            x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.

    Raises:
        ValueError: if `approximate` is something else.

    Example:
        >>> import backpass as bp
        >>> bp.GELU("tanh")
        GELU(approximate='tanh')
    """

    approximate: str

    def __init__(self, approximate: str = "none") -> None:
        self._keep(approximate=approximate)


class ELU(Fixed):
    """x where x > 0, alpha (exp(x) - 1) elsewhere; the derivative at 0 is alpha (Clevert et al. 2016).

    Args:
        alpha: how far below 0 the output comes; positive and finite.

    Raises:
        ValueError: if `alpha` is out of range.

    Example:
        >>> import backpass as bp
        >>> bp.ELU(0.5)
        ELU(alpha=0.5)
    """

    alpha: float

    def __init__(self, alpha: float = 1.0) -> None:
        self._keep(alpha=alpha)


class SELU(Fixed):
    """s x where x > 0, s alpha (exp(x) - 1) elsewhere, with s = 1.0507... and alpha = 1.6732... .

    After weights of mean 0 and variance 1 / in (LeCun normal), activations keep mean 0 and variance 1 from layer to
    layer (Klambauer et al. 2017). The derivative at 0 is s alpha.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.SELU(), input_shape=2, dtype="float64")
        >>> model.predict([[-1e3, 1.0]]).round(6).tolist()
        [[-1.758099, 1.050701]]
    """


class Hardtanh(Fixed):
    """x clipped to [min, max]; the derivative at and beyond a bound is 0 (Collobert 2004).

    Args:
        min: the lower bound.
        max: the upper bound, above `min`; both are finite.

    Raises:
        ValueError: if the bounds are not finite or not in order.

    Example:
        >>> import backpass as bp
        >>> bp.Hardtanh(max=2.0)
        Hardtanh(max=2.0)
    """

    min: float
    max: float

    def __init__(self, min: float = -1.0, max: float = 1.0) -> None:
        self._keep(min=min, max=max)
        if not -float("inf") < self.min < self.max < float("inf"):
            raise ValueError(f"[Hardtanh] min must be below max, and both finite, got {min} and {max}")


class ReLU6(Fixed):
    """min(max(x, 0), 6), with derivative 0 at 0 and 6 (Krizhevsky 2010).

    Example:
        >>> import backpass as bp
        >>> bp.Sequential(bp.ReLU6(), input_shape=3).predict([[-1.0, 3.0, 9.0]]).tolist()
        [[0.0, 3.0, 6.0]]
    """


class Softmax(Fixed):
    """exp(x_i) / sum_j exp(x_j) over the last axis. `CrossEntropy` takes logits: leave this layer out before it.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.Softmax(), input_shape=3, dtype="float64")
        >>> model.predict([[-1.0, 0.0, 2.0]]).round(6).tolist()
        [[0.04201, 0.114195, 0.843795]]
    """


class Identity(Fixed):
    """x.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.Identity(), input_shape=3, dtype="float64")
        >>> model.predict([[-1.0, 0.0, 2.0]]).round(6).tolist()
        [[-1.0, 0.0, 2.0]]
    """
