"""L-BFGS on full batches, through SciPy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from backpass import _checks
from backpass._core import DivergedError
from backpass._optimizer import Optimizer
from backpass._optimizers import SGD

if TYPE_CHECKING:
    from backpass._network import Network
    from backpass._objective import Vector
    from backpass._trainer import Trainer
    from backpass._types import ArrayLike

Data: TypeAlias = "tuple[ArrayLike, ArrayLike, ArrayLike | None]"


class LBFGS(Optimizer):
    """A quasi-Newton method for full batches: SciPy's L-BFGS-B on `model.objective` (Liu and Nocedal 1989).

    For `fit` alone: an epoch is one iteration of the minimizer, of one or more evaluations of loss and gradient on all
    rows. `batch_size` and `shuffle` have no meaning, and dropout masks stay the same. The "loss" of an epoch is the one
    that its iteration ended with. A fit ends early where the minimizer has converged; the next one begins anew. There
    is no learning rate to schedule: the history has 1, where a line search begins.

    Args:
        history_size: how many pairs of steps and changes of the gradient approximate the curvature.
        max_line_search: how many evaluations one iteration may take.
        tolerance: converged is a gradient whose largest element is below this.
        tolerance_change: converged is a loss that fell by less than this part of itself.

    Raises:
        ValueError: where a setting is out of range.
        ImportError: in fit, where SciPy is not installed.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.Dense(1), input_shape=1, dtype="float64", seed=0)
        >>> history = model.fit([[0.0], [1.0], [2.0]], [[1.0], [3.0], [5.0]], loss=bp.MSE(), optimizer=bp.LBFGS(),
        ...                     epochs=50)
        >>> model.flat_parameters.round(4).tolist()
        [2.0, 1.0]
    """

    def __init__(
        self,
        history_size: int = 10,
        max_line_search: int = 20,
        tolerance: float = 1e-8,
        tolerance_change: float = 1e-12,
    ) -> None:
        self._settings = {
            "history_size": _checks.integer("LBFGS", "history_size", history_size, minimum=1),
            "max_line_search": _checks.integer("LBFGS", "max_line_search", max_line_search, minimum=1),
            "tolerance": _checks.number("LBFGS", "tolerance", tolerance),
            "tolerance_change": _checks.number("LBFGS", "tolerance_change", tolerance_change),
        }
        self._options = {}  # nothing is clipped, grouped or decayed
        for name in ("tolerance", "tolerance_change"):
            if not 0 <= self._settings[name] < np.inf:
                raise ValueError(f"[LBFGS] {name} must be finite and not negative, got {self._settings[name]}")
        self._native = SGD(1.0)._native  # what watchers hold; it makes no steps

    def step(self, model: Network) -> None:
        """Raises TypeError: L-BFGS looks for a step with the loss, so that it works in `fit` only."""
        raise TypeError("[LBFGS] makes no single steps: use fit")

    def __repr__(self) -> str:
        return f"LBFGS({', '.join(f'{name}={value!r}' for name, value in self._settings.items())})"


class Minimization:
    """One fit by L-BFGS: the iterations of the minimizer as epochs."""

    def __init__(
        self,
        trainer: Trainer,
        data: Data,
        held_out: Data | None,
        settings: dict[str, Any],
    ) -> None:
        self.trainer, self.data, self.held_out = trainer, data, held_out
        self.epochs, self.metrics, self.hooks = settings["epochs"], settings["metrics"], settings["hooks"]
        from backpass._objective import Objective

        self.objective = Objective(trainer.model, *data[:2], trainer.loss, data[2])
        self.accepted = self.objective.x0.copy()
        self.columns: dict[str, list[float]] = {}
        self.begun = self.done = 0

    def run(self, optimizer: LBFGS) -> dict[str, list[float]]:
        """The columns of the history; the model keeps the weights of the last iteration that was completed."""
        try:
            from scipy.optimize import minimize
        except ImportError:
            raise ImportError("[LBFGS] needs SciPy: pip install 'backpass[scipy]'") from None
        given = optimizer._settings
        limits = {"maxiter": self.epochs, "maxfun": 10**9, "maxls": given["max_line_search"]}
        stops = {"maxcor": given["history_size"], "gtol": given["tolerance"], "ftol": given["tolerance_change"]}
        try:
            if self.epochs:
                minimize(self._evaluate, self.accepted, jac=True, method="L-BFGS-B", callback=self._end_epoch,
                         options={**limits, **stops})  # fmt: skip
        finally:
            self.trainer.model.flat_parameters[:] = self.accepted
        return self.columns

    def _evaluate(self, theta: Vector) -> tuple[float, Vector]:
        if self.begun == self.done:
            self._call("epoch_begin", self.done)
            self.begun += 1
        value, gradient = self.objective(theta)
        if self.begun == 1 and np.array_equal(theta, self.objective.x0):
            self._check_finite(value)  # SciPy would go on; a trial that is not finite is its own affair
        return value, gradient

    def _check_finite(self, loss: float) -> None:
        if math.isfinite(loss):
            return
        error = DivergedError(f"[fit] the loss is not finite in epoch {self.done}; the model keeps its weights")
        error.epoch, error.batch, error.layer = self.done, 0, "the loss"
        raise error

    def _end_epoch(self, theta: Vector) -> None:
        """After each iteration; StopIteration ends the minimization."""
        loss, _ = self.objective(theta)
        self._check_finite(loss)
        self.accepted = theta.copy()
        logs = {"loss": loss, **self._evaluated("", self.data)}
        if self.held_out is not None:
            logs |= self._evaluated("val_", self.held_out)
        logs["learning_rate"] = 1.0
        for name, value in logs.items():
            self.columns.setdefault(name, []).append(value)
        self._call("epoch_end", self.done, logs)
        self.done += 1
        if self.trainer._stopped:
            raise StopIteration

    def _evaluated(self, prefix: str, data: Data) -> dict[str, float]:
        """The metrics, and of held-out data the loss."""
        if not self.metrics and not prefix:
            return {}
        metrics = [function or name for name, function in self.metrics]
        found = self.trainer.evaluate(data[0], data[1], metrics=metrics, sample_weight=data[2])
        return {prefix + name: value for name, value in found.items() if prefix or name != "loss"}

    def _call(self, name: str, *arguments: Any) -> None:
        if name in self.hooks:
            self.hooks[name](*arguments)
