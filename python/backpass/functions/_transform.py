"""What all transformations share: tracing a function of arrays to a graph, and keeping what was traced."""

from __future__ import annotations

import functools
import math
import types
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import numpy as np

from backpass import _checks, _core, tree

T = TypeVar("T", bound="Transform")
_STATIC = (bool, str, bytes)  # leaves that are part of the structure
_KEPT = "__backpass_transforms__"  # of a function: what was made of it, which goes when it goes


class Transform(_core.Traced):
    """A function made of another one, `f`.

    Called with arrays, it is traced once for each structure, shapes and dtypes of its arguments, compiled and run; what
    it gives are NumPy arrays. Called with tensors, while another function is traced or a graph is built, it adds to
    that graph. It computes in float64 if all arrays of floats that it is given are float64, otherwise in float32;
    numbers and lists of numbers weigh nothing.

    Attributes:
        step: of random numbers, where there is a seed, counts the calls: each draws anew. Setting it draws the same
            again. Without a seed, `bp.manual_seed` says what is drawn.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        static_argnums: Sequence[int] = (),
        static_argnames: Sequence[str] = (),
        donate_argnums: Sequence[int] = (),
        training: bool = False,
        seed: int | None = None,
    ) -> None:
        super().__init__(list(static_argnums), set(static_argnames), list(donate_argnums), training, seed)
        self._f = f
        self._static_argnums, self._static_argnames = {*static_argnums}, {*static_argnames}
        functools.update_wrapper(self, f, updated=())

    def _symbolic(self, *args: Any, **kwargs: Any) -> Any:
        """The function of tensors."""
        raise NotImplementedError

    def plan(self, *args: Any, **kwargs: Any) -> _core.Plan:
        """What a call with such arguments runs, to be printed."""
        return self._function_plan(args, kwargs)

    def graph(self, *args: Any, **kwargs: Any) -> _core.Graph:
        """The operations that a call with such arguments computes."""
        return self._function_graph(args, kwargs)

    def _trace(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], arrays: list[Any], wide: bool
    ) -> tuple[list[_core.Tensor], tree.Structure, list[Any]]:
        """Inputs, one for each array; structure and leaves of the results. Called when the structure is new."""
        real = "float64" if wide else "float32"
        inputs: list[_core.Tensor] = []

        def placed(leaf: Any) -> Any:
            if isinstance(leaf, _STATIC):
                return leaf
            array = np.asarray(arrays[len(inputs)])
            whole = array.dtype.kind in "iu" and type(leaf) is not int
            inputs.append(_core.input(array.shape, "int32" if whole else real, f"argument {len(inputs)}"))
            return inputs[-1]

        placed_args = [a if i in self._static_argnums else tree.map(placed, a) for i, a in enumerate(args)]
        placed_kwargs = {k: a if k in self._static_argnames else tree.map(placed, a) for k, a in kwargs.items()}
        leaves, structure = tree.flatten(self._symbolic(*placed_args, **placed_kwargs))
        return inputs, structure, leaves

    def __repr__(self) -> str:
        return f"<{type(self).__name__.lower()} of {getattr(self._f, '__name__', self._f)}>"


def kept(make: Callable[[], T], f: Callable[..., Any], key: Hashable) -> T:
    """What was made of a function before with these settings, or what `make` makes; it goes with the function."""
    if not callable(f):
        raise TypeError(f"[{key[0] if isinstance(key, tuple) else key}] takes a function, got {f!r:.60}")
    if isinstance(f, type | types.MethodType):
        return make()  # it would be an attribute of the class, and so of all of its objects
    try:
        made = f.__dict__.setdefault(_KEPT, {})
    except AttributeError:  # a builtin
        return make()
    if key not in made:
        made[key] = make()
    found: T = made[key]
    return found


def argument_numbers(where: str, argnums: int | Sequence[int], count: int) -> tuple[int, ...]:
    """The positions as numbers below `count`, the number of positional arguments."""
    given = [argnums] if isinstance(argnums, int) else argnums
    numbers = [_checks.integer(where, "argnums", n) for n in given]
    for n in numbers:
        if not -count <= n < count:
            raise ValueError(f"[{where}] argnums names argument {n}, the call has {count} positional ones")
    return tuple(n % count for n in numbers)


def real_dtype(values: Any) -> str:
    """The type in which a function of these computes: that of the first real tensor."""
    for leaf in tree.leaves(values):
        if isinstance(leaf, _core.Tensor) and leaf.dtype != "int32":
            return leaf.dtype
    return "float32"


def size(t: _core.Tensor) -> int:
    """How many elements it has."""
    return math.prod(n for n in t.shape if n is not None)


def as_tensor(value: Any, dtype: str) -> _core.Tensor:
    """A leaf as a tensor; numbers and arrays as constants."""
    if isinstance(value, _core.Tensor):
        return value
    return _core.constant_values(np.array(value, np.float64, order="C"), dtype)


def fresh(where: str, values: Any, dtype: str) -> tuple[list[_core.Tensor], Any]:
    """Tensors of their own for the leaves of what is differentiated, and the tree of them."""
    leaves, structure = tree.flatten(values)
    views = [_core.transforms.view(as_tensor(leaf, dtype)) for leaf in leaves]
    for view in views:
        if view.dtype == "int32":
            raise TypeError(f"[{where}] integers have no derivative: an argument of shape {view.shape} is int32")
    return views, tree.unflatten(structure, views)


def outputs_of(where: str, y: Any, dtype: str) -> tuple[list[_core.Tensor], tree.Structure]:
    """The leaves of what a function gave, as tensors."""
    leaves, structure = tree.flatten(y)
    return [as_tensor(leaf, "int32" if is_whole(leaf) else dtype) for leaf in leaves], structure


def is_whole(leaf: Any) -> bool:
    """Whether it is an array of integers of NumPy; numbers of Python weigh nothing."""
    return isinstance(leaf, (np.ndarray, np.generic)) and leaf.dtype.kind in "iu"


def expect_leaves(where: str, what: str, structure: tree.Structure, values: Any, dtype: str) -> list[_core.Tensor]:
    """The leaves of values that must have some structure, as tensors."""
    try:
        leaves = tree.leaves_like(structure, values)
    except ValueError as error:
        raise ValueError(f"[{where}] {what} must have the structure of what it belongs to: {error}") from None
    return [as_tensor(leaf, dtype) for leaf in leaves]
