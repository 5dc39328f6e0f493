"""The options of a fit: their names, types and defaults, for every method that takes some of them."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ForwardRef, ParamSpec, TypedDict, TypeVar

from backpass._names import suggesting, suggestion

if TYPE_CHECKING:
    from backpass._types import ArrayLike, Metrics
    from backpass.augment import Augmentation
    from backpass.callbacks._callback import Callback
    from backpass.data._class_weights import ClassWeight
    from backpass.losses._penalties import WeightPenalty

P = ParamSpec("P")
R = TypeVar("R")


class PassOptions(TypedDict, total=False):
    """How rows are gone through once."""

    batch_size: int
    accumulate: int
    shuffle: bool | Callable[[int], ArrayLike]
    drop_last: bool
    augment: Augmentation | Sequence[Augmentation] | None
    metrics: Metrics
    sample_weight: ArrayLike | None
    seed: int | None
    check_finite: bool


class RunOptions(PassOptions, total=False):
    """What a trainer's fit takes."""

    epochs: int
    validation_data: Any
    validation_split: float
    stratify: bool
    class_weight: ClassWeight
    callbacks: Callback | Sequence[Callback]
    progress: bool | str
    resume: str | os.PathLike[str] | None


class PartialOptions(PassOptions, total=False):
    """What a model's partial_fit takes, beside loss and optimizer."""

    threads: int | None


class TrainerOptions(TypedDict, total=False):
    """What a trainer is made with, beside model, loss and optimizer."""

    threads: int | None
    loss_weights: Sequence[float] | None
    recompute: bool
    activation_dtype: str | None
    weight_penalty: WeightPenalty


class FitOptions(RunOptions, TrainerOptions, total=False):
    """What a model's fit takes, beside loss and optimizer."""


# In the order in which they are shown.
DEFAULTS: FitOptions = {
    "epochs": 1,
    "batch_size": 32,
    "accumulate": 1,
    "shuffle": True,
    "drop_last": False,
    "validation_data": None,
    "validation_split": 0.0,
    "stratify": False,
    "augment": None,
    "metrics": (),
    "sample_weight": None,
    "class_weight": None,
    "loss_weights": None,
    "callbacks": (),
    "progress": "auto",
    "resume": None,
    "recompute": False,
    "activation_dtype": None,
    "weight_penalty": None,
    "threads": None,
    "seed": None,
    "check_finite": True,
}


def taking(options: type[Any]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """For a method with `**given: Unpack[options]`: `help` shows each of them, and what is none is refused."""

    def decorate(method: Callable[P, R]) -> Callable[P, R]:
        written = inspect.signature(method)
        own = [each for each in written.parameters.values() if each.kind is not each.VAR_KEYWORD]
        shown = written.replace(parameters=[*own, *_parameters(options)])
        method.__signature__ = shown  # type: ignore[attr-defined]
        inner, known = suggesting(method), [name for name in shown.parameters if name != "self"]

        @wraps(inner)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            if unknown := next((name for name in kwargs if name not in known), ""):
                called = f"{type(args[0]).__name__}.{method.__name__}()"
                raise TypeError(f"{called} got an unexpected keyword argument {unknown!r}{suggestion(unknown, known)}")
            return inner(*args, **kwargs)

        return call

    return decorate


def _parameters(options: type[Any]) -> list[inspect.Parameter]:
    types: Mapping[str, Any] = options.__annotations__
    return [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value, annotation=_written(types[name]))
        for name, value in _defaults(options).items()
    ]


def _written(annotation: Any) -> Any:
    return annotation.__forward_arg__ if isinstance(annotation, ForwardRef) else annotation


def _defaults(options: type[Any]) -> dict[str, Any]:
    return {name: value for name, value in DEFAULTS.items() if name in options.__annotations__}


_DEFAULTS = {options: _defaults(options) for options in (RunOptions, TrainerOptions)}


def complete(given: Mapping[str, Any], options: type[Any]) -> dict[str, Any]:
    """All options of such a dict, with the defaults of those that are not given."""
    return {**_DEFAULTS[options], **given}


def chosen(given: Mapping[str, Any], options: type[Any]) -> Any:
    """Those of the given options that such a dict has."""
    return {name: value for name, value in given.items() if name in options.__annotations__}
