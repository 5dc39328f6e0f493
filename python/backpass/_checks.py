"""Checks of arguments: the message names what was wrong, where, and what was given."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Mapping
from typing import Any

from backpass import _core, _names


def integer(where: str, name: str, value: Any, *, minimum: int | None = None, bits: int = 64) -> int:
    """`value` as an int. TypeError for floats, strings and truth values, ValueError beyond `bits` with the sign."""
    if isinstance(value, bool):
        raise TypeError(f"[{where}] {name} must be an integer, got {value!r}")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"[{where}] {name} must be an integer, got {value!r}") from None
    if minimum is not None and number < minimum:
        bound = "positive" if minimum == 1 else f"at least {minimum}"
        raise ValueError(f"[{where}] {name} must be {bound}, got {_shown(number)}")
    if number.bit_length() >= bits and number != -(2 ** (bits - 1)):
        side = f"below 2**{bits - 1}" if number > 0 else f"at least -2**{bits - 1}"
        raise ValueError(f"[{where}] {name} must be {side}, got {_shown(number)}")
    return number


def _shown(number: int) -> str:
    return str(number) if number.bit_length() <= 256 else "one of many digits"


def number(where: str, name: str, value: Any) -> float:
    """`value` as a float. Strings, truth values, None and what is no real number are refused with TypeError."""
    kind = getattr(getattr(value, "dtype", None), "kind", "f")  # of a scalar or an array of NumPy
    several = getattr(value, "ndim", 0) or hasattr(value, "mask")
    refused = isinstance(value, (bool, str, bytes)) or not hasattr(value, "__float__") or kind not in "iuf" or several
    try:
        if not refused:
            return float(value)
    except TypeError:  # tensors of a graph, for one, refuse to be a number
        pass
    except OverflowError:
        raise ValueError(f"[{where}] {name} must be a float, got an integer that is beyond all of them") from None
    raise TypeError(f"[{where}] {name} must be a number, got {value!r}")


def numbers(where: str, name: str, value: Any) -> tuple[float, ...]:
    """The floats of a list, a tuple or an array (n,), each as `number` takes it."""
    if isinstance(value, (list, tuple)):
        return tuple(number(where, name, each) for each in value)
    if getattr(value, "ndim", None) != 1:
        raise TypeError(f"[{where}] {name} must be a list of numbers, got {value!r}")
    if hasattr(value, "index") and list(value.index) != list(range(len(value))):  # a column of pandas
        raise ValueError(
            f"[{where}] {name} must be in the order of 0, 1, ..., got the labels {list(value.index)}: "
            "take .sort_index(), or .to_numpy() where the order is right"
        )
    return tuple(_core.numbers(value, where, name).tolist())


def positive(where: str, name: str, value: Any) -> float:
    """`value` as a float that is positive and finite."""
    result = number(where, name, value)
    if not 0 < result < float("inf"):
        raise ValueError(f"[{where}] {name} must be positive and finite, got {value}")
    return result


def not_negative(where: str, name: str, value: Any) -> float:
    """`value` as a float that is finite and not negative."""
    result = number(where, name, value)
    if not 0 <= result < float("inf"):
        raise ValueError(f"[{where}] {name} must be finite and not negative, got {value}")
    return result


def fraction(where: str, name: str, value: Any) -> float:
    """`value` as a float in [0, 1]."""
    result = number(where, name, value)
    if not 0 <= result <= 1:
        raise ValueError(f"[{where}] {name} must be in [0, 1], got {value}")
    return result


def flag(where: str, name: str, value: Any) -> bool:
    """`value` where it is True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"[{where}] {name} must be True or False, got {value!r}")
    return value


def text(where: str, name: str, value: Any) -> str:
    """`value` as a string; TypeError otherwise, ValueError where it holds half a character."""
    if not isinstance(value, str):
        raise TypeError(f"[{where}] {name} must be a string, got {value!r}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"[{where}] {name} must be text that can be encoded, got {value!r}") from None
    return value


def choice(where: str, name: str, value: Any, choices: Iterable[str]) -> str:
    """`value` where it is one of `choices`."""
    known = tuple(choices)
    if not isinstance(value, str):
        raise TypeError(f"[{where}] {name} must be a string, got {value!r}")
    if value not in known:
        meant = _names.nearest(value, known)
        hint = f"; did you mean {meant!r}?" if meant else ""
        raise ValueError(f"[{where}] {name} must be one of {', '.join(known)}, got {value!r}{hint}")
    return value


def state(where: str, given: Any, *names: str) -> None:
    """What a callback goes on from must be a mapping that has the names."""
    missing = names if not isinstance(given, Mapping) else [name for name in names if name not in given]
    if missing or not isinstance(given, Mapping):
        raise ValueError(f"[{where}] state must be a mapping with {', '.join(names) or 'names'}, got {given!r}")


def shown(value: Any) -> str:
    """A value that is refused; of a class, what was probably meant."""
    return f"a class: write {value.__name__}(...)" if isinstance(value, type) else repr(value)


def model(where: str, value: Any) -> Any:
    """`value` where it is a model."""
    if not hasattr(value, "_built_for"):
        raise TypeError(f"[{where}] model must be a Sequential or a Network, got {value!r}")
    return value


def path(where: str, value: Any) -> str:
    """`value` as the name of a file: a string, bytes or a path. What the system could not be asked for is refused."""
    try:
        name = os.fsdecode(value)
        os.fsencode(name)
    except TypeError:
        raise TypeError(f"[{where}] path must be a string, bytes or a path, got {value!r}") from None
    except UnicodeError:
        raise ValueError(f"[{where}] path must be made of characters that files can have, got {value!r}") from None
    if "\0" in name:
        raise ValueError(f"[{where}] path must not hold NUL, got {name!r}")
    return name


def threads(where: str, value: int | None) -> int:
    """How the core counts threads: 0 is the default."""
    return 0 if value is None else integer(where, "threads", value, minimum=1, bits=32)


def seed(where: str, value: int | None) -> int | None:
    """A seed of 64 bits, or None."""
    if value is None:
        return None
    return integer(where, "seed", value, minimum=0, bits=65)


def shape(where: str, name: str, value: Any) -> tuple[int, ...]:
    """The dimensions of one row; a single integer is a row of that many elements."""
    if isinstance(value, (str, bytes)) or value is None:
        raise TypeError(f"[{where}] {name} must be a tuple of integers, got {value!r}")
    dims = value if isinstance(value, Iterable) else (value,)
    return tuple(integer(where, name, dim, minimum=1) for dim in dims)
