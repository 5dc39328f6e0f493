"""Checks of parameters, as fit makes them: the constructor of an estimator only stores."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from backpass import _checks

Check = Callable[[str, str, Any], Any]


def flag(where: str, name: str, value: Any) -> bool:
    """True or False, NumPy's too."""
    return _checks.flag(where, name, bool(value) if isinstance(value, np.bool_) else value)


def count(where: str, name: str, value: Any) -> int:
    """A positive integer."""
    return _checks.integer(where, name, value, minimum=1)


def patience(where: str, name: str, value: Any) -> float:
    """A positive integer, or infinity."""
    return value if isinstance(value, float) and value == np.inf else count(where, name, value)


def below_one(where: str, name: str, value: Any) -> float:
    """A number that is at least 0 and below 1."""
    if not 0 <= (number := _checks.number(where, name, value)) < 1:
        raise ValueError(f"[{where}] {name} must be at least 0 and below 1, got {value!r}")
    return number


def batch_size(where: str, name: str, value: Any) -> Any:
    """ "auto", or a positive integer."""
    return value if isinstance(value, str) and value == "auto" else count(where, name, value)


def optional(check: Check) -> Check:
    """None, or what the check takes."""
    return lambda where, name, value: None if value is None else check(where, name, value)


def choice(*choices: str) -> Check:
    """One of some strings."""
    return lambda where, name, value: _checks.choice(where, name, value, choices)


def sizes(where: str, name: str, value: Any) -> list[int]:
    """Of hidden layers: one, or several."""
    several = [value] if isinstance(value, numbers.Integral) else value
    if isinstance(several, (str, bytes)) or not isinstance(several, Iterable):
        raise TypeError(f"[{where}] {name} must be integers such as (100,), got {value!r}")
    return [count(where, name, size) for size in several]


def each(where: str, name: str, value: Any, layers: int) -> list[Any]:
    """A setting of every hidden layer: a list or tuple has one for each, another value is that of all."""
    if not isinstance(value, (list, tuple)):
        return [value] * layers
    if len(value) != layers:
        raise ValueError(f"[{where}] {name} must have a value for each of {layers} hidden layers, got {len(value)}")
    return list(value)


def quantiles(where: str, name: str, value: Any) -> tuple[float, ...]:
    """Numbers between 0 and 1, rising."""
    given = _checks.numbers(where, name, value if np.ndim(value) else [value])
    if not given or not all(0 < q < 1 for q in given) or list(given) != sorted(set(given)):
        raise ValueError(f"[{where}] {name} must rise and lie between 0 and 1, got {value!r}")
    return given


CHECKS: dict[str, Check] = {
    "batch_size": batch_size,
    "max_iter": count,
    "shuffle": flag,
    "tol": _checks.not_negative,
    "warm_start": flag,
    "early_stopping": flag,
    "validation_fraction": below_one,
    "n_iter_no_change": patience,
    "dtype": choice("auto", "float32", "float64"),
    "precision": choice("highest", "high", "medium"),
    "threads": optional(count),
    "hidden_layer_sizes": sizes,
    "alpha": _checks.not_negative,
    "learning_rate_init": _checks.positive,
    "power_t": _checks.not_negative,
    "momentum": _checks.fraction,
    "nesterovs_momentum": flag,
    "beta_1": below_one,
    "beta_2": below_one,
    "epsilon": _checks.positive,
    "max_fun": count,
    "normalization": optional(choice("batch", "layer")),
    "calibrate": flag,
    "quantiles": quantiles,
}


def check_parameters(estimator: Any) -> None:
    """Raises TypeError or ValueError for the first parameter that does not fit, and names it."""
    where = type(estimator).__name__
    for name, value in estimator.get_params(deep=False).items():
        if name in CHECKS:
            CHECKS[name](where, name, value)
