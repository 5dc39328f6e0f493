"""Settings of layers, losses, optimizers and schedules: the core lists them, here they are checked and handed over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from inspect import signature
from typing import Any

from backpass import _checks, _core

INITIALIZERS = (
    "zeros", "ones", "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal",
    "orthogonal", "normal",
)  # fmt: skip


@dataclass(frozen=True)
class Field:
    """One setting, as the core tells it: its name, what it means, and what it may be.

    `kind` is "flag", "integer", "number", "text", "pair", "numbers", "integers", "initializer" or "layers". None is a
    value where it is the default. Numbers are those that `allows` is true for: a message says what they `must_be`.
    """

    name: str
    text: str
    kind: str
    default: Any
    must_be: str
    allows: Callable[[float], bool]
    choices: tuple[str, ...]


@cache
def _all() -> dict[str, dict[str, dict[str, Field]]]:
    return {
        group: {kind: {field["name"]: Field(**field) for field in fields} for kind, fields in kinds.items()}
        for group, kinds in _core.descriptions().items()
    }


def fields(group: str, kind: str) -> dict[str, Field]:
    """The fields of one of ours by name, such as those of ("layer", "Dense")."""
    return _all()[group].get(kind, {})


@cache
def any_field(group: str, name: str) -> Field | None:
    """A field of that name, whichever type has it: for types of one's own."""
    return next((own[name] for own in _all()[group].values() if name in own), None)


def converted(where: str, field: Field, value: Any) -> Any:
    """`value` as what the field holds; TypeError where it is something else."""
    if value is None and field.default is None and field.kind != "integers":  # a list of which is never left out
        return None
    match field.kind:
        case "flag":
            return _checks.flag(where, field.name, value)
        case "integer":
            return _checks.integer(where, field.name, value, minimum=1 if field.allows(1) > field.allows(0) else None)
        case "number":
            return _checks.number(where, field.name, value)
        case "text":
            return _checks.choice(where, field.name, value, field.choices) if field.choices else value
        case "pair":
            return _pair(where, field.name, value)
        case "numbers":
            return _checks.numbers(where, field.name, value)
        case "integers":
            return _integers(where, field.name, value) if field.default is None else _per_axis(where, field.name, value)
        case "initializer":
            return value if callable(value) else _checks.choice(where, field.name, value, INITIALIZERS)
    return value  # layers, which the layer checks


def checked(where: str, field: Field, value: Any) -> Any:
    """`value` as what the field holds; ValueError where a number is out of range."""
    held = converted(where, field, value)
    if held is not None and field.kind in ("integer", "number", "pair", "numbers", "integers"):
        several = isinstance(held, (tuple, list))
        given_as = held if isinstance(value, str) else value
        for given, number in zip(given_as, held, strict=True) if several else [(value, held)]:
            if not field.allows(number):
                raise ValueError(f"[{where}] {field.name} must be {field.must_be}, got {given}")
    return held


def all_checked(where: str, own: Mapping[str, Field], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by name, each as `checked`; TypeError for a name that `own` has not."""
    for name in settings:
        if name not in own:
            raise TypeError(f"[{where}] has no setting {name!r}")
    return {name: checked(where, own[name], value) for name, value in settings.items()}


def given(settings: Mapping[str, Any]) -> dict[str, Any]:
    """As the core takes them: what is None is left out, and integers are a text, as they are saved."""
    return {name: _given(value) for name, value in settings.items() if value is not None}


def _given(value: Any) -> Any:
    return (
        ", ".join(map(str, value))
        if isinstance(value, (list, tuple)) and value and all(type(v) is int for v in value)
        else value
    )


def set_defaults(cls: type) -> None:
    """Makes the defaults of a class's constructor attributes of the class."""
    if "__init__" not in vars(cls):
        return
    for name, parameter in signature(vars(cls)["__init__"]).parameters.items():
        if parameter.default is not parameter.empty:
            setattr(cls, name, parameter.default)


def _pair(where: str, name: str, value: Any) -> tuple[float, ...]:
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise TypeError(f"[{where}] {name} must be two numbers, got {value!r}")
    return tuple(_checks.number(where, name, each) for each in value)


def _integers(where: str, name: str, value: Any) -> list[int]:
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        raise TypeError(f"[{where}] {name} must be a list of integers, got {value!r}")
    return [_checks.integer(where, name, each) for each in value]


def _per_axis(where: str, name: str, value: Any) -> int | tuple[int, ...]:
    """A number for all axes, or one for each; also as files have them."""
    if isinstance(value, str):
        try:
            value = [int(number) for number in value.split(",")]
        except ValueError:
            raise TypeError(f"[{where}] {name} must be an integer, or one for each axis, got {value!r}") from None
    if not isinstance(value, (tuple, list)):
        return _checks.integer(where, name, value)
    return tuple(_checks.integer(where, name, each) for each in value)
