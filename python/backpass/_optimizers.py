"""Optimizers: how parameters follow their gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backpass import _checks, _core

if TYPE_CHECKING:
    from backpass._network import Network


class Optimizer:
    """What all optimizers share.

    An optimizer holds its state (velocities, moments) and belongs to the first model that it steps. Training again
    with it goes on where it stopped; a second model raises ValueError.
    """

    _native: _core.Optimizer

    def __init__(self, **settings: Any) -> None:
        self._settings = settings

    @property
    def learning_rate(self) -> float:
        """The step size; setting it takes effect with the next step."""
        return self._native.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._native.learning_rate = _checks.number(type(self).__name__, "learning_rate", value)

    @property
    def steps(self) -> int:
        """How many updates it has made."""
        return self._native.steps

    @property
    def current_learning_rate(self) -> float:
        """The rate of the next step: the learning rate times the factor of its schedule."""
        return self._native.current_learning_rate

    def step(self, model: Network) -> None:
        """Updates the parameters of a model from its gradients, which stay as they are.

        Raises:
            ValueError: where this optimizer belongs to another model.
            RuntimeError: where the model has not been built.

        Example:
            >>> import backpass as bp
            >>> model = bp.Sequential(bp.Dense(1, bias=False), input_shape=1, dtype="float64", seed=0)
            >>> model.parameters()["0.weight"][:] = 2
            >>> model.flat_gradients[:] = 10
            >>> bp.SGD(learning_rate=0.1).step(model)
            >>> model.flat_parameters.tolist()
            [1.0]
        """
        self._native.step(model._built())

    def _fresh(self) -> Optimizer:
        """One with the same settings that has made no steps, and belongs to no model."""
        return _rebuild(type(self), {**self._settings, "learning_rate": self.learning_rate})

    def __repr__(self) -> str:
        settings = {**self._settings, "learning_rate": self.learning_rate}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in settings.items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        if self.steps:
            raise TypeError(f"[{type(self).__name__}] an optimizer that has made steps belongs to a model: no copies")
        return _rebuild, (type(self), {**self._settings, "learning_rate": self.learning_rate})


def _rebuild(cls: type[Optimizer], settings: dict[str, Any]) -> Optimizer:
    return cls(**settings)


class SGD(Optimizer):
    """Gradient descent: w <- w - learning_rate g.

    With momentum the gradient gives way to a velocity v <- momentum v + g; with `nesterov` to g + momentum v
    (Sutskever et al. 2013, in PyTorch's form).

    Args:
        learning_rate: the step size.
        momentum: how much of the velocity is kept, at least 0.
        nesterov: whether to look ahead along the velocity; needs momentum.
        weight_decay: added to the gradient as weight_decay * w.

    Raises:
        ValueError: where a setting is out of range.
    """

    def __init__(
        self, learning_rate: float, momentum: float = 0.0, nesterov: bool = False, weight_decay: float = 0.0
    ) -> None:
        settings: dict[str, Any] = {
            "learning_rate": _checks.number("SGD", "learning_rate", learning_rate),
            "momentum": _checks.number("SGD", "momentum", momentum),
            "nesterov": _checks.flag("SGD", "nesterov", nesterov),
            "weight_decay": _checks.number("SGD", "weight_decay", weight_decay),
        }
        super().__init__(**settings)
        self._native = _core.sgd(**settings)


class Adam(Optimizer):
    """Adaptive moments (Kingma and Ba 2015, algorithm 1).

    m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;
    w <- w - learning_rate (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps).

    Args:
        learning_rate: the step size.
        betas: b1 and b2, at least 0 and below 1.
        eps: keeps the division finite.
        weight_decay: added to the gradient as weight_decay * w.

    Raises:
        ValueError: where a setting is out of range.
    """

    def __init__(
        self,
        learning_rate: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        settings = _adam_settings("Adam", learning_rate, betas, eps, weight_decay)
        super().__init__(**settings)
        self._native = _core.adam(**settings)


class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019).

    w <- (1 - learning_rate weight_decay) w, then the step of `Adam` without decay: what shrinks the weights does not
    pass through the moments, as it does where decay is added to the gradient.

    Args:
        learning_rate: the step size.
        betas: b1 and b2, at least 0 and below 1.
        eps: keeps the division finite.
        weight_decay: the part of the weights that a step of size 1 takes away.

    Raises:
        ValueError: where a setting is out of range.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.Dense(1, bias=False), input_shape=1, dtype="float64", seed=0)
        >>> model.parameters()["0.weight"][:] = 2
        >>> bp.AdamW(learning_rate=0.5, weight_decay=0.5).step(model)  # the gradients are zero
        >>> model.flat_parameters.tolist()
        [1.5]
    """

    def __init__(
        self,
        learning_rate: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        settings = _adam_settings("AdamW", learning_rate, betas, eps, weight_decay)
        super().__init__(**settings)
        self._native = _core.adamw(**settings)


def _adam_settings(
    where: str, learning_rate: float, betas: tuple[float, float], eps: float, weight_decay: float
) -> dict[str, Any]:
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise TypeError(f"[{where}] betas must be two numbers, got {betas!r}")
    return {
        "learning_rate": _checks.number(where, "learning_rate", learning_rate),
        "betas": (_checks.number(where, "betas", betas[0]), _checks.number(where, "betas", betas[1])),
        "eps": _checks.number(where, "eps", eps),
        "weight_decay": _checks.number(where, "weight_decay", weight_decay),
    }


class RMSprop(Optimizer):
    """Steps divided by the root of a running mean of the squared gradient (Tieleman and Hinton 2012).

    v <- alpha v + (1 - alpha) g^2;  d = g / (sqrt(v) + eps);  w <- w - learning_rate d.
    With momentum d gives way to a velocity b <- momentum b + d (PyTorch's form).

    Args:
        learning_rate: the step size.
        alpha: how much of the mean is kept, at least 0 and below 1.
        eps: keeps the division finite.
        momentum: how much of the velocity is kept, at least 0.
        weight_decay: added to the gradient as weight_decay * w.

    Raises:
        ValueError: where a setting is out of range.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.Dense(1, bias=False), input_shape=1, dtype="float64", seed=0)
        >>> model.parameters()["0.weight"][:] = 2
        >>> model.flat_gradients[:] = 1000
        >>> bp.RMSprop(learning_rate=0.1, alpha=0.75).step(model)  # 0.1 * 1000 / sqrt(0.25 * 1000^2)
        >>> model.flat_parameters.round(9).tolist()
        [1.8]
    """

    def __init__(
        self,
        learning_rate: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        settings: dict[str, Any] = {
            "learning_rate": _checks.number("RMSprop", "learning_rate", learning_rate),
            "alpha": _checks.number("RMSprop", "alpha", alpha),
            "eps": _checks.number("RMSprop", "eps", eps),
            "momentum": _checks.number("RMSprop", "momentum", momentum),
            "weight_decay": _checks.number("RMSprop", "weight_decay", weight_decay),
        }
        super().__init__(**settings)
        self._native = _core.rmsprop(**settings)
