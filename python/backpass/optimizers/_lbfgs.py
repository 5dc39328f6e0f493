"""L-BFGS on full batches, through SciPy."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from backpass import _checks, _core
from backpass._core import DivergedError
from backpass._warnings import warn_caller
from backpass.callbacks._averages import Averaging
from backpass.callbacks._callback import Callback
from backpass.callbacks._watchers import BoldDriver, RaiseOnSmallGradients, ReduceOnPlateau
from backpass.data._streams import Stream
from backpass.losses._loss import native_losses
from backpass.optimizers._optimizer import Optimizer
from backpass.optimizers._sgd import SGD

if TYPE_CHECKING:
    from backpass._types import ArrayLike
    from backpass.models._network import Network
    from backpass.training._objective import Vector
    from backpass.training._trainer import Trainer

GAVE_UP = 2  # SciPy's status where a line search found nothing
NEARER = 0.1  # how far to go of a step that led to numbers that are not finite

Data: TypeAlias = "tuple[ArrayLike, ArrayLike, ArrayLike | None]"


class LBFGS(Optimizer, makes_steps=False):
    """A quasi-Newton method for full batches: SciPy's L-BFGS-B on `model.objective` (Liu and Nocedal 1989).

    For `fit` alone: an epoch is one iteration of the minimizer, of one or more evaluations of loss and gradient on all
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
        tolerance: converged is a gradient whose largest element is below this.
        tolerance_change: converged is a loss that fell by less than this part of itself.

    Raises:
        ValueError: where a setting is out of range; in fit, where something needs single steps.
        ImportError: in fit, where SciPy is not installed.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.Dense(1), input_shape=1, dtype="float64", seed=0)
        >>> history = model.fit([[0.0], [1.0], [2.0]], [[1.0], [3.0], [5.0]], loss=bp.MSE(), optimizer=bp.LBFGS(),
        ...                     epochs=50)
        >>> model.flat_parameters.round(4).tolist()
        [2.0, 1.0]
    """

    _tells_of_start = False

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
        self._native = self._make()

    def _make(self) -> _core.Optimizer:
        return SGD(1.0)._native  # what watchers hold; it makes no steps

    def step(self, model: Network) -> None:
        """Raises TypeError: L-BFGS looks for a step with the loss, so that it works in `fit` only."""
        raise TypeError("[LBFGS] makes no single steps: use fit")

    def __repr__(self) -> str:
        return f"LBFGS({', '.join(f'{name}={value!r}' for name, value in self._settings.items())})"


def check_lbfgs(
    network: _core.Network, data: Sequence[Any], callbacks: Sequence[Callback], settings: dict[str, Any]
) -> None:
    """Raises ValueError where a fit asks for what there is not without single steps, before anything changed."""
    asked = settings["transform"] or settings["checkpoint"] or settings["resume"] or settings["accumulate"] > 1
    if asked or any(isinstance(part, Stream) for part in data):
        raise ValueError("[LBFGS] takes arrays, without augment, accumulate, checkpoints or resume")
    if network.states():
        raise ValueError("[LBFGS] takes no model with running statistics: looking for a step, it does not move them")
    for callback in callbacks:
        by_batch = any(
            getattr(type(callback), name) is not getattr(Callback, name) for name in ("on_batch_begin", "on_batch_end")
        )
        if by_batch or isinstance(callback, (Averaging, ReduceOnPlateau, BoldDriver, RaiseOnSmallGradients)):
            raise ValueError(f"[LBFGS] takes no {type(callback).__name__}: it has no batches and no rate to change")


class Minimization:
    """One fit by L-BFGS: the iterations of the minimizer as epochs."""

    def __init__(
        self,
        trainer: Trainer,
        data: Data,
        held_out: Data | None,
        settings: dict[str, Any],
        columns: Sequence[str],
    ) -> None:
        self.trainer, self.data, self.held_out = trainer, data, held_out
        self.epochs, self.hooks, self.check_finite = settings["epochs"], settings["hooks"], settings["check_finite"]
        self.metrics = [
            name if function is None else (name, function, shown) for name, function, shown in settings["metrics"]
        ]
        self.columns: dict[str, list[float]] = {name: [] for name in columns}
        from backpass.training._objective import Objective

        self._check_data(settings)
        self.objective = Objective(trainer.model, *data[:2], trainer.loss, data[2], trainer.loss_weights)
        self.accepted = self.objective.x0.copy()
        self.loss, self.gradient = self.objective(self.accepted)  # there
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
                self._require_finite()
                found = minimize(self._evaluate, self.accepted, jac=True, method="L-BFGS-B", callback=self._end_epoch,
                                 options={**limits, **stops})  # fmt: skip
                self._end(gave_up=found.status == GAVE_UP)
        finally:
            self.trainer.model.flat_parameters[:] = self.accepted
        return self.columns

    def _end(self, gave_up: bool) -> None:
        if gave_up and self._falls():
            message = (
                f"[LBFGS] gave up in epoch {self.done}: no step was found, though the loss falls against its gradient"
            )
            warn_caller(message, UserWarning)
        if self.done == 0:
            with contextlib.suppress(StopIteration):
                self._end_epoch(self.accepted)

    def _falls(self) -> bool:
        """Whether a step against the gradient lowers the loss by more than rounding."""
        rounding = 8 * np.finfo(self.trainer.model.dtype).eps * abs(self.loss)
        largest = np.abs(self.gradient).max(initial=0)
        if largest == 0:
            return False
        steps = (self.accepted - self.gradient / largest * 10.0**-power for power in range(12))
        return any(self._value(theta) < self.loss - rounding for theta in steps)

    def _value(self, theta: Vector) -> float:
        """inf where theta has a number that the model cannot hold."""
        limit = np.finfo(self.trainer.model.dtype).max
        return self.objective(theta)[0] if (np.abs(theta) <= limit).all() else math.inf

    def _check_data(self, settings: dict[str, Any]) -> None:
        """Refuses what any other fit refuses, by one of no epochs."""
        losses = native_losses("fit", self.trainer.loss)
        fit = _core.Trainer(self.trainer.model._built(), losses, SGD(1.0)._native, 0)
        fit.fit(self.data, self.held_out, {**settings, "epochs": 0})

    def _evaluate(self, theta: Vector) -> tuple[float, Vector]:
        if self.begun == self.done:
            self._call("epoch_begin", self.done)
            self.begun += 1
        if math.isfinite(self._value(theta)):
            value, gradient = self.objective(theta)
            if np.isfinite(gradient).all():
                return value, gradient
        return self._wall(theta)

    def _wall(self, theta: Vector) -> tuple[float, Vector]:
        """For a trial that is not finite: a parabola over the line from the last iterate, lowest at NEARER of the way.

        SciPy's line search interpolates: it goes there next.
        """
        fall = abs(float(self.gradient @ (theta - self.accepted)))
        steep = 1 / NEARER - 1
        return self.loss + (steep - 1) / 2 * fall, -steep * self.gradient

    def _require_finite(self) -> None:
        """DivergedError where loss or gradient, from which a search would begin, are not finite."""
        if math.isfinite(self.loss) and np.isfinite(self.gradient).all():
            return
        what = "the gradient" if math.isfinite(self.loss) else "the loss"
        error = DivergedError(f"[fit] {what} is not finite in epoch {self.done}; the model keeps its weights")
        error.epoch, error.batch, error.layer = self.done, 0, what
        raise error

    def _end_epoch(self, theta: Vector) -> None:
        """After each iteration; StopIteration ends the minimization."""
        self.loss, self.gradient = self.objective(theta)
        self._require_finite()
        self.accepted = theta.copy()
        several = "loss_0" in self.columns
        found = self._evaluate_on(self.data, self.metrics) if self.metrics or several else {}
        if self.held_out is not None:
            own = self._evaluate_on(self.held_out, self.metrics)
            found |= {f"val_{name}": value for name, value in own.items()}
        found |= {"loss": self.loss, "learning_rate": 1.0}
        logs = {name: found[name] for name in self.columns}
        for name, value in logs.items():
            self.columns[name].append(value)
        self._call("epoch_end", self.done, logs)
        self.done += 1
        if self.trainer._stopped:
            raise StopIteration

    def _evaluate_on(self, data: Data, metrics: Sequence[Any]) -> dict[str, float]:
        from backpass.training._trainer import evaluate_with

        model, loss, weights = self.trainer.model, self.trainer.loss, self.trainer.loss_weights
        return evaluate_with(model, loss, data[0], data[1], metrics, data[2], self.check_finite, weights)

    def _call(self, name: str, *arguments: Any) -> None:
        if name in self.hooks:
            self.hooks[name](*arguments)
