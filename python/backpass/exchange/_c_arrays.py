"""Where elements lie: in the workspace, in arrays, in 8 bits."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from backpass._types import Array


class Places:
    """Ranges of the workspace: the first that is free and long enough."""

    def __init__(self) -> None:
        self.size = 0
        self._taken: dict[int, tuple[int, int]] = {}

    def take(self, number: int, length: int) -> int:
        begin = 0
        for other, end in sorted(self._taken.values()):
            if begin + length <= other:
                break
            begin = max(begin, end)
        self._taken[number] = (begin, begin + length)
        self.size = max(self.size, begin + length)
        return begin

    def free(self, number: int) -> None:
        self._taken.pop(number, None)


def flat(index: Sequence[str], shape: Sequence[int]) -> str:
    """Where an element lies in an array without gaps."""
    parts, stride = [], 1
    for at, dim in zip(reversed(index), reversed(shape), strict=True):
        if at != "0" and dim != 1:
            parts.append(at if stride == 1 else f"{_enclosed(at)} * {stride}")
        stride *= dim
    return " + ".join(reversed(parts)) or "0"


def _enclosed(text: str) -> str:
    return text if re.fullmatch(r"\w+", text) else f"({text})"


def spread(index: str, shape: Sequence[int]) -> list[str]:
    """The indices of an element from where it lies; the other way round."""
    made, stride = [], 1
    for at, dim in reversed(list(enumerate(shape))):
        text = index if stride == 1 else f"{_enclosed(index)} / {stride}"
        first = all(before == 1 for before in shape[:at])
        made.append("0" if dim == 1 else text if first else f"{_enclosed(text)} % {dim}")
        stride *= dim
    return list(reversed(made))


def rows_in_8_bits(values: Array) -> tuple[Array, Array]:
    """The nearest multiples of a factor for each first index, from -127 to 127, and the factors."""
    rows = values.reshape(len(values), -1)
    scale = np.abs(rows).max(axis=1, initial=0) / 127
    scale[scale == 0] = 1
    return np.rint(rows / scale[:, None]).astype(np.int8).reshape(values.shape), scale.astype(values.dtype)


def aligned(index: Sequence[str], shape: Sequence[int]) -> list[str]:
    """The index of an operand that is repeated, as in NumPy."""
    own = index[len(index) - len(shape) :]
    return ["0" if dim == 1 else at for at, dim in zip(own, shape, strict=True)]
