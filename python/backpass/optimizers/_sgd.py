"""Optimizers that follow the gradient or its sign, or divide it by its squares; Adam and its kin are in _adams.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backpass.optimizers._optimizer import Optimizer

if TYPE_CHECKING:
    from typing import Unpack

    from backpass.optimizers._optimizer import Options

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Lion",
    "RMSprop",
]


class SGD(Optimizer):
    """Gradient descent: w <- w - learning_rate g.

    With momentum, the gradient is replaced by a velocity v <- momentum v + (1 - dampening) g, which starts as the first
    gradient; with `nesterov`, by g + momentum v (Sutskever et al. 2013, in PyTorch's form).

    Args:
        learning_rate: the step size.
        momentum: how much of the velocity is kept, at least 0.
        nesterov: whether to look ahead along the velocity; needs momentum and no dampening.
        weight_decay: added to the gradient as weight_decay * w.
        dampening: how much of the gradient is left out of the velocity.
        **options: clip_norm, clip_value, groups, decay, schedule and decay_schedule, as every `Optimizer` takes them.

    Raises:
        ValueError: if a setting is out of range.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.Dense(1, bias=False), input_shape=1, dtype="float64", seed=0)
        >>> model.parameters()["0.weight"][:] = 2
        >>> sgd = bp.SGD(learning_rate=0.5, momentum=0.5)
        >>> for gradient in (1, 1):  # velocities 1 and 1.5
        ...     model.flat_gradients[:] = gradient
        ...     sgd.step(model)
        >>> model.flat_parameters.tolist()
        [0.75]
    """

    def __init__(
        self,
        learning_rate: float = 1e-2,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        *,
        dampening: float = 0.0,
        **options: Unpack[Options],
    ) -> None:
        settings = {
            "learning_rate": learning_rate,
            "momentum": momentum,
            "nesterov": nesterov,
            "weight_decay": weight_decay,
            "dampening": dampening,
        }
        super().__init__("SGD", settings, **options)


class RMSprop(Optimizer):
    """Steps divided by the root of a running mean of the squared gradient (Tieleman and Hinton 2012).

    v <- alpha v + (1 - alpha) g^2;  d = g / (sqrt(v) + eps);  w <- w - learning_rate d.
    With momentum, d is replaced by a velocity b <- momentum b + d (PyTorch's form).

    Args:
        learning_rate: the step size.
        alpha: how much of the mean is kept, at least 0 and below 1.
        eps: keeps the division finite.
        momentum: how much of the velocity is kept, at least 0.
        weight_decay: added to the gradient as weight_decay * w.
        centered: whether to subtract the square of the mean gradient from v, which leaves a variance (Graves 2013).
        **options: clip_norm, clip_value, groups, decay, schedule and decay_schedule, as every `Optimizer` takes them.

    Raises:
        ValueError: if a setting is out of range.

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
        *,
        centered: bool = False,
        **options: Unpack[Options],
    ) -> None:
        settings = {
            "learning_rate": learning_rate,
            "alpha": alpha,
            "eps": eps,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "centered": centered,
        }
        super().__init__("RMSprop", settings, **options)


class Adagrad(Optimizer):
    """Steps divided by the root of the sum of all squared gradients (Duchi et al. 2011).

    s <- s + g^2;  w <- w - learning_rate / (1 + (t - 1) learning_rate_decay) g / (sqrt(s) + eps).

    Args:
        learning_rate: the step size.
        learning_rate_decay: how quickly the step size falls.
        weight_decay: added to the gradient as weight_decay * w.
        initial_accumulator_value: the initial value of s.
        eps: keeps the division finite.
        **options: clip_norm, clip_value, groups, decay, schedule and decay_schedule, as every `Optimizer` takes them.

    Raises:
        ValueError: if a setting is out of range.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.Dense(1, bias=False), input_shape=1, dtype="float64", seed=0)
        >>> model.parameters()["0.weight"][:] = 2
        >>> model.flat_gradients[:] = 4
        >>> bp.Adagrad(learning_rate=0.1, initial_accumulator_value=9).step(model)  # 0.1 * 4 / sqrt(9 + 4^2)
        >>> model.flat_parameters.round(9).tolist()
        [1.92]
    """

    def __init__(
        self,
        learning_rate: float = 1e-2,
        learning_rate_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        **options: Unpack[Options],
    ) -> None:
        settings = {
            "learning_rate": learning_rate,
            "learning_rate_decay": learning_rate_decay,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "eps": eps,
        }
        super().__init__("Adagrad", settings, **options)


class Adadelta(Optimizer):
    """Steps in the units of the weights, without a rate to choose (Zeiler 2012).

    v <- rho v + (1 - rho) g^2;  d = sqrt(u + eps) / sqrt(v + eps) g;  u <- rho u + (1 - rho) d^2;
    w <- w - learning_rate d.

    Args:
        learning_rate: scales the steps.
        rho: how much of the means is kept, at least 0 and below 1.
        eps: keeps the division finite, and begins the first step.
        weight_decay: added to the gradient as weight_decay * w.
        **options: clip_norm, clip_value, groups, decay, schedule and decay_schedule, as every `Optimizer` takes them.

    Raises:
        ValueError: if a setting is out of range.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.Dense(1, bias=False), input_shape=1, dtype="float64", seed=0)
        >>> model.parameters()["0.weight"][:] = 2
        >>> model.flat_gradients[:] = 1000
        >>> bp.Adadelta(rho=0.75, eps=1e-4).step(model)  # sqrt(1e-4) / sqrt(0.25 * 1000^2) * 1000
        >>> model.flat_parameters.round(9).tolist()
        [1.98]
    """

    def __init__(
        self,
        learning_rate: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        **options: Unpack[Options],
    ) -> None:
        settings = {
            "learning_rate": learning_rate,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
        }
        super().__init__("Adadelta", settings, **options)


class Lion(Optimizer):
    """Steps of equal size, along the signs of a momentum (Chen et al. 2023, algorithm 2).

    w <- (1 - learning_rate weight_decay) w - learning_rate sign(b1 m + (1 - b1) g);  m <- b2 m + (1 - b2) g.

    Args:
        learning_rate: the step size; a tenth of what suits Adam.
        betas: b1 and b2, at least 0 and below 1.
        weight_decay: the fraction of the weights that a step of size 1 removes.
        **options: clip_norm, clip_value, groups, decay, schedule and decay_schedule, as every `Optimizer` takes them.

    Raises:
        ValueError: if a setting is out of range.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.Dense(1, bias=False), input_shape=1, dtype="float64", seed=0)
        >>> model.parameters()["0.weight"][:] = 2
        >>> model.flat_gradients[:] = 0.001
        >>> bp.Lion(learning_rate=0.25).step(model)
        >>> model.flat_parameters.round(9).tolist()
        [1.75]
    """

    def __init__(
        self,
        learning_rate: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        **options: Unpack[Options],
    ) -> None:
        settings = {
            "learning_rate": learning_rate,
            "betas": betas,
            "weight_decay": weight_decay,
        }
        super().__init__("Lion", settings, **options)
