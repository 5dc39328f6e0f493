"""Adam and its kin: running means of the gradient and of its square."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backpass.optimizers._optimizer import Optimizer

if TYPE_CHECKING:
    from typing import Unpack

    from backpass.optimizers._optimizer import Options

__all__ = [
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "RAdam",
]


class Adam(Optimizer):
    """Adaptive moments (Kingma and Ba 2015, algorithm 1).

    m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;
    w <- w - learning_rate (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps).

    Args:
        learning_rate: the step size.
        betas: b1 and b2, at least 0 and below 1.
        eps: keeps the division finite.
        weight_decay: added to the gradient as weight_decay * w.
        amsgrad: whether to divide by the largest v so far (Reddi et al. 2018).
        epsilon_hat: whether eps is added to sqrt(v) before its correction, as at the end of section 2 there, in Keras
            and in scikit-learn.
        **options: clip_norm, clip_value, groups, decay, schedule and decay_schedule, as every `Optimizer` takes them.

    Raises:
        ValueError: if a setting is out of range.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.Dense(1, bias=False), input_shape=1, dtype="float64", seed=0)
        >>> model.parameters()["0.weight"][:] = 2
        >>> model.flat_gradients[:] = 1000
        >>> bp.Adam(learning_rate=0.1).step(model)  # the first step is as long as the rate
        >>> model.flat_parameters.round(9).tolist()
        [1.9]
    """

    def __init__(
        self,
        learning_rate: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        amsgrad: bool = False,
        epsilon_hat: bool = False,
        **options: Unpack[Options],
    ) -> None:
        settings = {
            "learning_rate": learning_rate,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "epsilon_hat": epsilon_hat,
        }
        super().__init__("Adam", settings, **options)


class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019).

    w <- (1 - learning_rate weight_decay) w, then the step of `Adam` without decay. The decay does not pass through the
    moments, as it would if it were added to the gradient.

    Args:
        learning_rate: the step size.
        betas: b1 and b2, at least 0 and below 1.
        eps: keeps the division finite.
        weight_decay: the fraction of the weights that a step of size 1 removes.
        amsgrad: whether to divide by the largest v so far (Reddi et al. 2018).
        **options: clip_norm, clip_value, groups, decay, schedule and decay_schedule, as every `Optimizer` takes them.

    Raises:
        ValueError: if a setting is out of range.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.Dense(1, bias=False), input_shape=1, dtype="float64", seed=0)
        >>> model.parameters()["0.weight"][:] = 2
        >>> bp.AdamW(learning_rate=0.5, weight_decay=0.5).step(model)  # the gradients are zero
        >>> model.flat_parameters.round(6).tolist()
        [1.5]
    """

    def __init__(
        self,
        learning_rate: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        *,
        amsgrad: bool = False,
        **options: Unpack[Options],
    ) -> None:
        settings = {
            "learning_rate": learning_rate,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
        }
        super().__init__("AdamW", settings, **options)


class NAdam(Optimizer):
    """Adam with Nesterov's momentum (Dozat 2016), in PyTorch's form.

    With mu_t = b1 (1 - 0.96^(t momentum_decay) / 2), and m and v as in `Adam`: the corrected mean gives way to
    mu_{t+1} m / (1 - mu_1 ... mu_{t+1}) + (1 - mu_t) g / (1 - mu_1 ... mu_t).

    Args:
        learning_rate: the step size.
        betas: b1 and b2, at least 0 and below 1.
        eps: keeps the division finite.
        weight_decay: added to the gradient as weight_decay * w.
        momentum_decay: how quickly the momentum approaches b1, at least 0.
        **options: clip_norm, clip_value, groups, decay, schedule and decay_schedule, as every `Optimizer` takes them.

    Raises:
        ValueError: if a setting is out of range.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.Dense(1, bias=False), input_shape=1, dtype="float64", seed=0)
        >>> model.parameters()["0.weight"][:] = 2
        >>> model.flat_gradients[:] = 8
        >>> bp.NAdam(learning_rate=0.5, betas=(0.0, 0.999)).step(model)  # the first gradient's sign
        >>> model.flat_parameters.round(6).tolist()
        [1.5]
    """

    def __init__(
        self,
        learning_rate: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        **options: Unpack[Options],
    ) -> None:
        settings = {
            "learning_rate": learning_rate,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
        }
        super().__init__("NAdam", settings, **options)


class RAdam(Optimizer):
    """Adam that rectifies the variance of its first steps (Liu et al. 2020).

    With r = 2 / (1 - b2) - 1 and r_t = r - 2 t b2^t / (1 - b2^t): where r_t > 5, the step of `Adam` (eps outside the
    correction) times sqrt((r_t - 4) (r_t - 2) r / ((r - 4) (r - 2) r_t)); else learning_rate m / (1 - b1^t).

    Args:
        learning_rate: the step size.
        betas: b1 and b2, at least 0 and below 1.
        eps: keeps the division finite.
        weight_decay: added to the gradient as weight_decay * w.
        **options: clip_norm, clip_value, groups, decay, schedule and decay_schedule, as every `Optimizer` takes them.

    Raises:
        ValueError: if a setting is out of range.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.Dense(1, bias=False), input_shape=1, dtype="float64", seed=0)
        >>> model.parameters()["0.weight"][:] = 2
        >>> model.flat_gradients[:] = 2
        >>> bp.RAdam(learning_rate=0.5).step(model)  # the first steps are those of a mean gradient
        >>> model.flat_parameters.round(6).tolist()
        [1.0]
    """

    def __init__(
        self,
        learning_rate: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        **options: Unpack[Options],
    ) -> None:
        settings = {
            "learning_rate": learning_rate,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
        }
        super().__init__("RAdam", settings, **options)


class Adamax(Optimizer):
    """Adam by the decayed maximum of the gradient (Kingma and Ba 2015, algorithm 2).

    m <- b1 m + (1 - b1) g;  u <- max(b2 u, |g| + eps);  w <- w - learning_rate m / ((1 - b1^t) u).

    Args:
        learning_rate: the step size.
        betas: b1 and b2, at least 0 and below 1.
        eps: keeps the division finite.
        weight_decay: added to the gradient as weight_decay * w.
        **options: clip_norm, clip_value, groups, decay, schedule and decay_schedule, as every `Optimizer` takes them.

    Raises:
        ValueError: if a setting is out of range.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.Dense(1, bias=False), input_shape=1, dtype="float64", seed=0)
        >>> model.parameters()["0.weight"][:] = 2
        >>> model.flat_gradients[:] = 7
        >>> bp.Adamax(learning_rate=0.5).step(model)
        >>> model.flat_parameters.round(6).tolist()
        [1.5]
    """

    def __init__(
        self,
        learning_rate: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        **options: Unpack[Options],
    ) -> None:
        settings = {
            "learning_rate": learning_rate,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
        }
        super().__init__("Adamax", settings, **options)
