"""L-BFGS on full batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from backpass import _core
from backpass.optimizers._optimizer import PLAIN, Optimizer

if TYPE_CHECKING:
    from backpass.callbacks._callback import Callback
    from backpass.models._network import Network


class LBFGS(Optimizer):
    """A quasi-Newton method for full batches (Nocedal and Wright 2006, chapter 7), with Moré and Thuente's line search.

    Only for `fit`: an epoch is one iteration of the minimizer, with one or more evaluations of loss and gradient on all
    rows. `batch_size` and `shuffle` have no meaning, and dropout masks stay the same. The "loss" of an epoch is the one
    that its iteration ended with. A fit ends early where the minimizer has converged; the next one begins anew. There
    is no learning rate to schedule: the history has 1, where a line search begins. Where a trial's loss or gradient is
    not finite, the search goes on nearer by; where those that it would begin from are not, fit raises DivergedError. A
    fit that begins where there is nothing to gain has one epoch; one that gives up although the loss falls along its
    gradient warns. What needs single steps is refused: running statistics, averages of the weights, callbacks that
    change the rate or look at batches.

    Args:
        history_size: how many pairs of steps and changes of the gradient approximate the curvature.
        max_line_search: how many evaluations one iteration may take.
        tolerance: converged is a gradient whose largest element is at most this.
        tolerance_change: converged is a loss that fell by at most this times max(|loss|, 1).

    Raises:
        ValueError: if a setting is out of range; in fit, if something needs single steps.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.Dense(1), input_shape=1, dtype="float64", seed=0)
        >>> history = model.fit([[0.0], [1.0], [2.0]], [[1.0], [3.0], [5.0]], loss=bp.MSE(), optimizer=bp.LBFGS(),
        ...                     epochs=50)
        >>> model.flat_parameters.round(4).tolist()
        [2.0, 1.0]
    """

    _makes_steps = False

    def __init__(
        self,
        history_size: int = 10,
        max_line_search: int = 20,
        tolerance: float = 1e-8,
        tolerance_change: float = 1e-12,
    ) -> None:
        settings = {
            "history_size": history_size,
            "max_line_search": max_line_search,
            "tolerance": tolerance,
            "tolerance_change": tolerance_change,
        }
        super().__init__("LBFGS", settings)

    def _make(self) -> _core.Optimizer:
        return _core.make_optimizer("LBFGS", self._settings, PLAIN)  # pickles of older builds have no options

    def step(self, model: Network | None = None) -> None:
        """Raises TypeError: L-BFGS looks for a step with the loss, so that it works in `fit` only."""
        self._require_steps()

    def _require_steps(self) -> None:
        raise TypeError("[LBFGS] makes no single steps: use fit")

    def _check_trainer(self, options: Mapping[str, Any]) -> None:
        for name, value in options.items():
            if value and name != "weight_penalty":
                raise ValueError(f"[LBFGS] takes no {name}: use another optimizer")

    def _check_fit(self, callbacks: Sequence[Callback]) -> None:
        for callback in callbacks:
            if callback._needs_steps():
                raise ValueError(f"[LBFGS] takes no {type(callback).__name__}: it has no batches and no rate to change")

    def __repr__(self) -> str:
        return f"LBFGS({', '.join(f'{name}={value!r}' for name, value in self._settings.items())})"
