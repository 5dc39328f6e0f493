"""Functions of one element, mapped over an axis of arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from backpass import _checks, _core, _functions, tree
from backpass.functions._transform import Transform, as_tensor, kept, outputs_of, real_dtype


class Map(Transform):
    """`vmap` of a function."""

    def __init__(self, f: Callable[..., Any], in_axes: Any, out_axes: Any) -> None:
        super().__init__(f)
        self._in_axes, self._out_axes = in_axes, out_axes

    def _symbolic(self, *args: Any, **kwargs: Any) -> Any:
        dtype = real_dtype((args, kwargs))
        in_axes = self._in_axes
        if isinstance(in_axes, (list, tuple)) and len(in_axes) != len(args):
            raise ValueError(f"[vmap] in_axes has {len(in_axes)} entries, the call {len(args)} positional arguments")
        axes = axes_of("in_axes", tuple(in_axes) if isinstance(in_axes, list) else in_axes, args)
        axes += axes_of("in_axes", 0, kwargs)
        leaves, structure = tree.flatten((args, kwargs))
        elements: list[_core.Tensor] = []
        mapped: list[_core.Tensor] = []
        placed: list[Any] = []
        for leaf, axis in zip(leaves, axes, strict=True):
            if axis is None or not hasattr(leaf, "shape") or leaf.shape == ():
                placed.append(leaf)  # a number is the same for all
                continue
            moved = to_front(as_tensor(leaf, dtype), axis)
            elements.append(_core.input(moved.shape[1:], moved.dtype, "element"))
            mapped.append(moved)
            placed.append(elements[-1])
        if not mapped:
            raise ValueError("[vmap] needs an array to map over: in_axes names an axis of none")
        inner_args, inner_kwargs = tree.unflatten(structure, placed)
        ys, made = outputs_of("vmap", self._f(*inner_args, **inner_kwargs), dtype)
        results = _core.transforms.vmap(ys, elements, mapped)
        out_axes = axes_of("out_axes", self._out_axes, tree.unflatten(made, ys))
        return tree.unflatten(made, [from_front(y, axis) for y, axis in zip(results, out_axes, strict=True)])


def axes_of(name: str, axes: Any, values: Any) -> list[int | None]:
    """An axis for each leaf: `axes` is an integer or None for all of them, or a tree of these from the top."""
    if axes is None or isinstance(axes, int):
        return [axes] * len(tree.leaves(values))
    if isinstance(axes, (list, tuple)) and isinstance(values, (list, tuple)) and len(axes) == len(values):
        return [axis for inner, value in zip(axes, values, strict=True) for axis in axes_of(name, inner, value)]
    if isinstance(axes, dict) and isinstance(values, dict) and {*axes} == {*values}:
        return [axis for key, value in values.items() for axis in axes_of(name, axes[key], value)]
    raise ValueError(f"[vmap] {name} must be an integer, None, or a tree of these, got {axes!r:.60}")


def to_front(x: _core.Tensor, axis: int) -> _core.Tensor:
    """The axis moved in front of the others."""
    rank = len(x.shape)
    if not -rank <= axis < rank:
        raise ValueError(f"[vmap] in_axes names axis {axis} of an array of shape {x.shape}")
    order = [i for i in range(rank) if i != axis % rank]
    return _functions.transpose(x, [axis % rank, *order])


def from_front(x: _core.Tensor, axis: int | None) -> _core.Tensor:
    """The first axis moved to where it is asked for."""
    rank = len(x.shape)
    if axis is None or not -rank <= axis < rank:
        raise ValueError(f"[vmap] out_axes names axis {axis} of a result of shape {x.shape}")
    order = [*range(1, rank)]
    order.insert(axis % rank, 0)
    return _functions.transpose(x, order)


def vmap(f: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Map:
    """A function of one element, mapped over an axis of its arguments.

    Every operation has a rule for one more axis: what is mapped runs as one computation, without a loop.

    Args:
        f: a function of arrays or trees of arrays, composed of operations, which sees no mapped axis.
        in_axes: which axis of each positional argument is mapped: an integer for all, or a tuple with an entry for each
            argument: an integer, None (the same for all elements), or a tree of these. Numbers and arrays without axes
            are the same for all; keyword arguments are mapped over axis 0.
        out_axes: where the axis stands in the results.

    Returns:
        A function of arguments with the axis. Random numbers that `f` draws are drawn for each element.

    Raises:
        ValueError: when called, if there is no such axis, or axes differ in size.

    Example:
        >>> import backpass as bp
        >>> import numpy as np
        >>> def loss(w, x, y):
        ...     return bp.square(bp.sum(w * x) - y)
        >>> each = bp.vmap(bp.grad(loss), in_axes=(None, 0, 0))
        >>> each(np.array([1.0, 1.0]), np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.0, 7.0]))
        array([[ 6., 12.],
               [ 0.,  0.]])
    """
    for name, axes in (("in_axes", in_axes), ("out_axes", out_axes)):
        for axis in tree.leaves(axes):
            _checks.integer("vmap", name, axis)
    key = ("vmap", repr(in_axes), repr(out_axes))
    return kept(lambda: Map(f, in_axes, out_axes), f, key)
