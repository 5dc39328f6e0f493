"""The range of learning rates: which are too small, which work, which diverge."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass import _checks
from backpass._core import DivergedError
from backpass._names import suggesting
from backpass._text import table
from backpass.callbacks._callback import Callback
from backpass.optimizers._optimizer import resolved
from backpass.training._trainer import Trainer

if TYPE_CHECKING:
    from backpass._types import ArrayLike, Logs
    from backpass.losses._loss import AnyLoss
    from backpass.models._network import Network
    from backpass.optimizers._optimizer import Optimizer
    from backpass.training._objective import Vector

SMOOTHING = 0.9  # how much of the running mean of the losses is kept
SETTLED = round(1 / (1 - SMOOTHING))  # steps after which the mean tells more than the luck of the first batches
EXPLODED = 4  # times the lowest smoothed loss, where that is positive


class LearningRateRange:
    """The result of `find_learning_rate`; prints as a table.

    Attributes:
        learning_rates: (steps done,), rising.
        losses: (steps done,), the smoothed loss before the update with each rate.
        suggestion: the rate at which the loss fell fastest, before its lowest value.

    Example:
        >>> import backpass as bp
        >>> rates = [1e-4 * 1.3**step for step in range(40)]
        >>> losses = [max(1 - 10 * rate, 0.2) for rate in rates]
        >>> bp.LearningRateRange(rates, losses).suggestion in rates
        True
    """

    def __init__(self, learning_rates: list[float], losses: list[float]) -> None:
        self.learning_rates: Vector = np.array(learning_rates)
        self.losses: Vector = np.array(losses)
        if self.losses.ndim != 1 or self.losses.size == 0 or self.learning_rates.shape != self.losses.shape:
            shapes = f"{self.learning_rates.shape} and {self.losses.shape}"
            raise ValueError(
                f"[LearningRateRange] learning_rates and losses must be lists of equal length, got {shapes}"
            )
        self.suggestion = self._steepest()

    def _steepest(self) -> float:
        end = int(np.argmin(self.losses)) + 1
        if end < 2:
            return float(self.learning_rates[0])
        begin = min(SETTLED, end - 2)
        slopes = np.gradient(self.losses[begin:end], np.log(self.learning_rates[begin:end]))
        return float(self.learning_rates[begin + int(np.argmin(slopes))])

    def plot(self) -> Any:
        """A matplotlib figure of the loss over the rate.

        Raises:
            ImportError: if matplotlib is not installed.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError:
            raise ImportError("[plot] needs matplotlib: pip install 'backpass[plot]'") from None
        figure = Figure(layout="constrained")
        axes = figure.subplots()
        axes.plot(self.learning_rates, self.losses)
        axes.axvline(self.suggestion, linestyle=":", label=f"{self.suggestion:.2e}")
        axes.set(xscale="log", xlabel="learning rate", ylabel="smoothed loss")
        axes.grid(alpha=0.3)
        axes.legend()
        return figure

    def __repr__(self) -> str:
        shown = sorted({round(i) for i in np.linspace(0, len(self.losses) - 1, min(12, len(self.losses)))})
        rows = [[f"{self.learning_rates[i]:.2e}", f"{self.losses[i]:.4g}"] for i in shown]
        return f"{table(['learning rate', 'loss'], rows, numbers=2)}\n\nsuggestion: {self.suggestion:.2e}"


class _Ramp(Callback):
    """Sets the rate of every batch, and notes its loss."""

    def __init__(self, rates: Vector) -> None:
        self.rates, self.losses = rates, list[float]()
        self._mean = 0.0

    def on_batch_begin(self, trainer: Trainer, logs: Logs) -> None:
        trainer.optimizer.learning_rate = float(self.rates[len(self.losses)])

    def on_batch_end(self, trainer: Trainer, logs: Logs) -> None:
        self._mean = SMOOTHING * self._mean + (1 - SMOOTHING) * logs["loss"]
        self.losses.append(self._mean / (1 - SMOOTHING ** (len(self.losses) + 1)))
        if len(self.losses) == len(self.rates) or self._exploded():
            trainer.stop()

    def _exploded(self) -> bool:
        low = min(self.losses)
        size = low if low > 0 else max(-low, abs(self.losses[0]))  # losses may be negative
        return self.losses[-1] - low > (EXPLODED - 1) * size


@suggesting
def find_learning_rate(
    model: Network,
    x: ArrayLike,
    y: ArrayLike,
    *,
    loss: AnyLoss,
    optimizer: Optimizer | str,
    minimum: float = 1e-7,
    maximum: float = 10.0,
    steps: int = 100,
    batch_size: int = 32,
    sample_weight: ArrayLike | None = None,
    seed: int | None = 0,
) -> LearningRateRange:
    """Trains a copy of the model with a rate that rises exponentially, and looks at the loss (Smith 2017).

    The rate of step k is minimum (maximum / minimum)^(k / (steps - 1)). The losses are smoothed by a running mean; the
    run ends early where the mean is four times its lowest value, or a loss is not finite.

    Args:
        model: what shall be trained; it and the optimizer stay as they are.
        x: (rows, *input_shape).
        y: targets, as the loss wants them.
        loss: a loss.
        optimizer: a copy of it is used, without what it has learnt and without its schedule.
        minimum: the first rate.
        maximum: the last rate.
        steps: how many updates, at least 2.
        batch_size: rows of one update.
        sample_weight: (rows,).
        seed: of shuffling and dropout.

    Returns:
        An object with `learning_rates`, `losses`, `suggestion` and `plot()`, which prints as a table.

    Raises:
        ValueError: if an argument is out of range, data does not fit, or the very first loss is not finite.

    Example:
        >>> import backpass as bp
        >>> x, y = bp.datasets.load_digits()
        >>> model = bp.Sequential(bp.Dense(16, activation="relu"), bp.Dense(10), seed=0)
        >>> found = bp.find_learning_rate(model, x, y, loss=bp.CrossEntropy(), optimizer=bp.SGD(0.1))
        >>> 1e-3 < found.suggestion < 10
        True
    """
    low = _checks.number("find_learning_rate", "minimum", minimum)
    high = _checks.number("find_learning_rate", "maximum", maximum)
    if not 0 < low < high < math.inf:
        raise ValueError(f"[find_learning_rate] needs 0 < minimum < maximum, got {minimum} and {maximum}")
    count = _checks.integer("find_learning_rate", "steps", steps, minimum=2)
    optimizer = resolved("find_learning_rate", optimizer)
    if not optimizer._makes_steps:
        raise TypeError(f"[find_learning_rate] optimizer must be one with a learning rate, got {optimizer!r}")
    ramp = _Ramp(np.geomspace(low, high, count))
    trainer = Trainer(copy.deepcopy(model), loss, optimizer._fresh(schedule=None))
    options: dict[str, Any] = {"epochs": count, "batch_size": batch_size, "sample_weight": sample_weight, "seed": seed}
    try:
        trainer.fit(x, y, callbacks=[ramp], progress=False, **options)
    except DivergedError:
        if not ramp.losses:
            raise ValueError("[find_learning_rate] the loss is not finite before the first step") from None
    return LearningRateRange([*map(float, ramp.rates[: len(ramp.losses)])], ramp.losses)
