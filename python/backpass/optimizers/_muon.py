"""Muon: matrices move along the orthogonal factor of their momentum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backpass.optimizers._optimizer import Optimizer

if TYPE_CHECKING:
    from typing import Unpack

    from backpass.optimizers._optimizer import Options

__all__ = [
    "Muon",
]


class Muon(Optimizer):
    """Steps whose singular values are all near 1, for matrices (Jordan et al. 2024, in PyTorch's form).

    b <- momentum b + (1 - momentum) g;  o = the orthogonal factor of b, or with `nesterov` of (1 - momentum) g +
    momentum b, by Newton and Schulz's iteration;  w <- (1 - learning_rate weight_decay) w - learning_rate scale o.
    Parameters that are not matrices use `AdamW` with the same learning rate and weight decay.

    Args:
        learning_rate: the step size.
        momentum: how much of b is kept, at least 0 and below 1.
        nesterov: whether to look ahead along b.
        weight_decay: the fraction of the weights that a step of size 1 removes.
        steps: of the iteration, which is computed in the model's dtype.
        adjust: how scale follows from a matrix of n rows and m columns: "original" is sqrt(max(1, n / m)),
            "match_rms_adamw" 0.2 sqrt(max(n, m)), as long as a step of AdamW (Liu et al. 2025).
        betas: of AdamW.
        eps: of AdamW.
        **options: groups and decay, as every `Optimizer` takes them; there is no clipping.

    Raises:
        ValueError: if a setting is out of range, or clipping is asked for.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.Dense(2, bias=False), input_shape=2, dtype="float64", seed=0)
        >>> model.flat_parameters[:] = 0
        >>> model.flat_gradients[:] = [1000, 0, 0, 1000]
        >>> bp.Muon(learning_rate=1.0).step(model)
        >>> model.flat_parameters.round(1).tolist()
        [-1.1, 0.0, 0.0, -1.1]
    """

    def __init__(
        self,
        learning_rate: float = 1e-3,
        momentum: float = 0.95,
        nesterov: bool = True,
        weight_decay: float = 0.1,
        steps: int = 5,
        adjust: str = "original",
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        **options: Unpack[Options],
    ) -> None:
        settings = {
            "learning_rate": learning_rate,
            "momentum": momentum,
            "nesterov": nesterov,
            "weight_decay": weight_decay,
            "steps": steps,
            "adjust": adjust,
            "betas": betas,
            "eps": eps,
        }
        super().__init__("Muon", settings, **options)
