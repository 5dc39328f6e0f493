"""Schedules: the learning rate as a function of how far training has come."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from backpass import _checks, _core, _settings
from backpass._sealed import Sealed

__all__ = [
    "ConstantRate",
    "CosineAnnealing",
    "ExponentialDecay",
    "FlatCosine",
    "InverseSquareRoot",
    "LogCosine",
    "MultiStepDecay",
    "OneCycle",
    "PolynomialDecay",
    "Schedule",
    "StepDecay",
]


class Schedule(Sealed):
    """The base of all schedules: a factor that multiplies the optimizer's learning rate.

    An optimizer takes one as `schedule=`. Its t is the number of updates that it has made, or with `per="epoch"` the
    number of epochs that `fit` has finished with it; both continue over several fits. With `warmup` the factors are
    1/warmup, 2/warmup, ..., 1 first, and the schedule begins after them (Goyal et al. 2017).

    Args:
        warmup: how many steps (or epochs) to warm up, at least 0.
        per: what t counts: "step" or "epoch".
        settings: those of the schedule.

    Raises:
        ValueError: if a setting is out of range.

    Example:
        >>> import backpass as bp
        >>> schedule = bp.ExponentialDecay(0.5, warmup=2)
        >>> isinstance(schedule, bp.Schedule), [schedule.factor(t) for t in range(4)]
        (True, [0.5, 1.0, 1.0, 0.5])
    """

    _instead = "make another schedule"
    warmup: int
    per: str

    def __init__(self, warmup: int, per: str, **settings: Any) -> None:
        name = type(self).__name__
        self._settings = _settings.all_checked(name, _settings.fields("schedule", self._kind()), settings)
        self._keep(warmup=_checks.integer(name, "warmup", warmup))
        self._keep(per=_checks.choice(name, "per", per, ("step", "epoch")))
        options = {"warmup": self.warmup, "per": self.per}
        self._native = _core.make_schedule(self._kind(), {**_settings.given(self._settings), **options})

    @classmethod
    def _kind(cls) -> str:
        """The schedule of the core that this is, also where somebody made a subclass."""
        return next(base.__name__ for base in cls.__mro__ if base.__module__ == __name__)

    def factor(self, t: float) -> float:
        """The factor at t; t = 0 for the first update.

        Example:
            >>> import backpass as bp
            >>> [bp.StepDecay(every=2, gamma=0.5).factor(t) for t in range(5)]
            [1.0, 1.0, 0.5, 0.5, 0.25]
        """
        at = _checks.number(type(self).__name__, "t", t)
        if not (at >= 0 and math.isfinite(at)):
            raise ValueError(f"[{type(self).__name__}] t must be finite and not negative, got {t}")
        return self._native.factor(at)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        extra = {"warmup": self.warmup} if self.warmup else {}
        settings = {**self._settings, **extra, **({"per": self.per} if self.per != "step" else {})}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in settings.items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.warmup, self.per, self._settings)


def _rebuild(cls: type[Schedule], warmup: int, per: str, settings: dict[str, Any]) -> Schedule:
    schedule = cls.__new__(cls)
    Schedule.__init__(schedule, warmup, per, **settings)
    return schedule


class ConstantRate(Schedule):
    """The factor is always 1; with a warm-up, after it.

    Args:
        warmup: how many steps (or epochs) to warm up first.
        per: "step" or "epoch".

    Example:
        >>> import backpass as bp
        >>> [bp.ConstantRate(warmup=4).factor(t) for t in range(6)]
        [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    """

    def __init__(self, *, warmup: int = 0, per: str = "step") -> None:
        super().__init__(warmup, per)


class StepDecay(Schedule):
    """gamma^floor(t / every); PyTorch's StepLR.

    Args:
        every: how many steps (or epochs) the rate stays the same.
        gamma: what it is multiplied by then, above 0.
        warmup: how many steps (or epochs) to warm up first.
        per: "step" or "epoch".

    Raises:
        ValueError: if a setting is out of range.

    Example:
        >>> import backpass as bp
        >>> optimizer = bp.SGD(0.5, schedule=bp.StepDecay(every=30, per="epoch"))
        >>> optimizer.current_learning_rate
        0.5
    """

    def __init__(self, every: int, gamma: float = 0.1, *, warmup: int = 0, per: str = "step") -> None:
        super().__init__(warmup, per, every=every, gamma=gamma)


class MultiStepDecay(Schedule):
    """gamma^n, where n of the milestones are at or before t; PyTorch's MultiStepLR.

    Args:
        milestones: when the rate falls, rising.
        gamma: what it is multiplied by then, above 0.
        warmup: how many steps (or epochs) to warm up first; milestones count from its end.
        per: "step" or "epoch".

    Raises:
        ValueError: if a setting is out of range.

    Example:
        >>> import backpass as bp
        >>> schedule = bp.MultiStepDecay([2, 3], gamma=0.5)
        >>> [schedule.factor(t) for t in range(5)]
        [1.0, 1.0, 0.5, 0.25, 0.25]
    """

    def __init__(self, milestones: Sequence[int], gamma: float = 0.1, *, warmup: int = 0, per: str = "step") -> None:
        super().__init__(warmup, per, milestones=milestones, gamma=gamma)


class ExponentialDecay(Schedule):
    """gamma^t; PyTorch's ExponentialLR.

    Args:
        gamma: what the rate is multiplied by at every step (or epoch), above 0.
        warmup: how many steps (or epochs) to warm up first.
        per: "step" or "epoch".

    Raises:
        ValueError: if gamma is not above 0.

    Example:
        >>> import backpass as bp
        >>> [bp.ExponentialDecay(0.5).factor(t) for t in range(4)]
        [1.0, 0.5, 0.25, 0.125]
    """

    def __init__(self, gamma: float, *, warmup: int = 0, per: str = "step") -> None:
        super().__init__(warmup, per, gamma=gamma)


class CosineAnnealing(Schedule):
    """minimum + (1 - minimum) (1 + cos(pi t / steps)) / 2, and `minimum` from t = steps on.

    With `restarts` it begins anew instead, each time with a period `multiplier` times as long (SGDR: Loshchilov and
    Hutter 2017). PyTorch's CosineAnnealingLR and CosineAnnealingWarmRestarts.

    Args:
        steps: how many steps (or epochs) the way down takes, or the first period.
        minimum: the lowest factor, between 0 and 1.
        restarts: whether it begins anew.
        multiplier: how much longer each period is than the one before, an integer.
        warmup: how many steps (or epochs) to warm up first; `steps` count from its end.
        per: "step" or "epoch".

    Raises:
        ValueError: if a setting is out of range.

    Example:
        >>> import backpass as bp
        >>> [round(bp.CosineAnnealing(4).factor(t), 3) for t in range(6)]
        [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
        >>> [round(bp.CosineAnnealing(2, restarts=True, multiplier=2).factor(t), 3) for t in range(7)]
        [1.0, 0.5, 1.0, 0.854, 0.5, 0.146, 1.0]
    """

    def __init__(
        self,
        steps: int,
        minimum: float = 0.0,
        restarts: bool = False,
        multiplier: int = 1,
        *,
        warmup: int = 0,
        per: str = "step",
    ) -> None:
        super().__init__(warmup, per, steps=steps, minimum=minimum, restarts=restarts, multiplier=multiplier)


class OneCycle(Schedule):
    """Up from 1 / div_factor to 1, then down to 1 / (div_factor final_div_factor) (Smith and Topin 2018).

    PyTorch's OneCycleLR with two phases, for the learning rate alone; the optimizer's rate is the highest one.

    Args:
        steps: how many steps (or epochs) the whole cycle takes.
        pct_start: the part of them on the way up, between 0 and 1.
        anneal_strategy: along a half cosine, "cos", or a line, "linear".
        div_factor: how many times smaller than the highest rate the first one is.
        final_div_factor: how many times smaller than the first rate the last one is.
        per: "step" or "epoch".

    Raises:
        ValueError: if a setting is out of range.

    Example:
        >>> import backpass as bp
        >>> schedule = bp.OneCycle(6, pct_start=0.5, anneal_strategy="linear", div_factor=4, final_div_factor=1)
        >>> [schedule.factor(t) for t in range(6)]
        [0.25, 0.625, 1.0, 0.75, 0.5, 0.25]
    """

    def __init__(
        self,
        steps: int,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        *,
        per: str = "step",
    ) -> None:
        super().__init__(
            0,
            per,
            steps=steps,
            pct_start=pct_start,
            anneal_strategy=anneal_strategy,
            div_factor=div_factor,
            final_div_factor=final_div_factor,
        )


class PolynomialDecay(Schedule):
    """minimum + (1 - minimum) (1 - t / steps)^power, and `minimum` from t = steps on; PyTorch's PolynomialLR.

    Args:
        steps: how many steps (or epochs) the way down takes.
        power: 1 is a line; above 0.
        minimum: the lowest factor, between 0 and 1.
        warmup: how many steps (or epochs) to warm up first; `steps` count from its end.
        per: "step" or "epoch".

    Raises:
        ValueError: if a setting is out of range.

    Example:
        >>> import backpass as bp
        >>> [bp.PolynomialDecay(4, minimum=0.5).factor(t) for t in range(6)]
        [1.0, 0.875, 0.75, 0.625, 0.5, 0.5]
    """

    def __init__(
        self, steps: int, power: float = 1.0, minimum: float = 0.0, *, warmup: int = 0, per: str = "step"
    ) -> None:
        super().__init__(warmup, per, steps=steps, power=power, minimum=minimum)


class InverseSquareRoot(Schedule):
    """min((t + 1) / steps, sqrt(steps / (t + 1))): a line up, then down with the root (Vaswani et al. 2017).

    Scaled so that the highest factor is 1, at t = steps - 1.

    Args:
        steps: how many steps (or epochs) the way up takes.
        per: "step" or "epoch".

    Raises:
        ValueError: if `steps` is not positive.

    Example:
        >>> import backpass as bp
        >>> [round(bp.InverseSquareRoot(2).factor(t), 3) for t in range(5)]
        [0.5, 1.0, 0.816, 0.707, 0.632]
    """

    def __init__(self, steps: int, *, per: str = "step") -> None:
        super().__init__(0, per, steps=steps)


class FlatCosine(Schedule):
    """1 in the first part `flat` of the steps, then down to 0 along a half cosine.

    Args:
        steps: how many steps (or epochs) all of it takes.
        flat: the part of them in which the factor is 1, at least 0 and below 1.
        warmup: how many steps (or epochs) to warm up first; `steps` count from its end.
        per: "step" or "epoch".

    Raises:
        ValueError: if a setting is out of range.

    Example:
        >>> import backpass as bp
        >>> [round(bp.FlatCosine(4).factor(t), 3) for t in range(6)]
        [1.0, 1.0, 1.0, 0.5, 0.0, 0.0]
    """

    def __init__(self, steps: int, flat: float = 0.5, *, warmup: int = 0, per: str = "step") -> None:
        super().__init__(warmup, per, steps=steps, flat=flat)


class LogCosine(Schedule):
    """(1 - cos(2 pi log2(1 + (2^cycles - 1) t / steps))) / 2, and 0 from t = steps on.

    Cycles from 0 to 1 and back, each twice as long as the one before (Holzmueller et al. 2024, "coslog4").

    Args:
        steps: how many steps (or epochs) all cycles take.
        cycles: from 0 to 1 and back; at least 1, at most 30.
        per: "step" or "epoch".

    Raises:
        ValueError: if a setting is out of range.

    Example:
        >>> import backpass as bp
        >>> [round(bp.LogCosine(3, cycles=2).factor(t), 3) for t in range(5)]
        [0.0, 0.0, 0.93, 0.0, 0.0]
    """

    def __init__(self, steps: int, cycles: int = 4, *, per: str = "step") -> None:
        super().__init__(0, per, steps=steps, cycles=cycles)
