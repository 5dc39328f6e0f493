"""Whole Jacobians and Hessians, and products of Hessians with vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from backpass import _core, _functions, tree
from backpass.functions._gradients import _numbers, grad
from backpass.functions._transform import (
    Transform,
    argument_numbers,
    expect_leaves,
    fresh,
    kept,
    outputs_of,
    real_dtype,
    size,
)

ALONE = 16  # elements of a tensor whose unit vectors have an axis of their own
Derive = Callable[[list[int], list[_core.Tensor]], list[_core.Tensor]]


class Jacobian(Transform):
    """`jacobian` of a function."""

    def __init__(self, f: Callable[..., Any], argnums: int | tuple[int, ...]) -> None:
        super().__init__(f)
        self._argnums = argnums

    def _symbolic(self, *args: Any, **kwargs: Any) -> Any:
        dtype = real_dtype((args, kwargs))
        numbers = argument_numbers("jacobian", self._argnums, len(args))
        xs, chosen = fresh("jacobian", tuple(args[n] for n in numbers), dtype)
        placed = [*args]
        for n, views in zip(numbers, chosen, strict=True):
            placed[n] = views
        ys, structure = outputs_of("jacobian", self._f(*placed, **kwargs), dtype)
        blocks = by_rows(ys, xs) if total(ys) < total(xs) else by_columns(ys, xs)
        of_inputs = tree.structure(chosen)
        rows = [tree.unflatten(of_inputs, row) for row in blocks]
        if isinstance(self._argnums, int):
            rows = [row[0] for row in rows]
        return tree.unflatten(structure, rows)


def total(tensors: Sequence[_core.Tensor]) -> int:
    return sum(size(t) for t in tensors)


def groups(tensors: Sequence[_core.Tensor]) -> list[list[int]]:
    """Which tensors share the axis of their unit vectors: small ones do. Of another, only what depends on it is mapped,
    and none of its zeros is multiplied."""
    large = [[i] for i, t in enumerate(tensors) if size(t) >= ALONE]
    small = [i for i, t in enumerate(tensors) if size(t) < ALONE]
    return [*large, small] if small else large


def basis(tensors: Sequence[_core.Tensor]) -> list[_core.Tensor]:
    """The unit vectors of all elements of some tensors together: an axis in front counts them."""
    identity, n = np.eye(total(tensors)), 0
    parts = []
    for t in tensors:
        length = size(t)
        part = np.ascontiguousarray(identity[:, n : n + length]).reshape(-1, *t.shape)
        parts.append(_core.constant_values(part, t.dtype))
        n += length
    return parts


def mapped(derive: Derive, tensors: list[_core.Tensor]) -> Iterator[tuple[int, list[_core.Tensor]]]:
    """For each of some tensors: which, and what `derive` makes of its unit vectors, with an axis in front for them.

    Args:
        derive: takes which tensors get seeds, and the seeds.
    """
    for group in groups(tensors):
        own = [tensors[i] for i in group]
        seeds = [_core.input(t.shape, t.dtype, "seed") for t in own]
        wide, n = _core.transforms.vmap(derive(group, seeds), [*seeds], basis(own)), 0
        for i, t in zip(group, own, strict=True):
            yield i, [_functions.slice(result, 0, n, n + size(t)) if len(own) > 1 else result for result in wide]
            n += size(t)


def by_rows(ys: list[_core.Tensor], xs: list[_core.Tensor]) -> list[list[_core.Tensor]]:
    """Reverse: a gradient for each element of the results."""

    def derive(group: list[int], seeds: list[_core.Tensor]) -> list[_core.Tensor]:
        return _core.transforms.vjp([ys[i] for i in group], xs, seeds)

    blocks: list[list[_core.Tensor]] = [[] for _ in ys]
    for i, grads in mapped(derive, ys):
        blocks[i] = [_functions.reshape(g, (*ys[i].shape, *x.shape)) for g, x in zip(grads, xs, strict=True)]
    return blocks


def by_columns(ys: list[_core.Tensor], xs: list[_core.Tensor]) -> list[list[_core.Tensor]]:
    """Forward: a derivative along each element of the arguments."""

    def derive(group: list[int], seeds: list[_core.Tensor]) -> list[_core.Tensor]:
        return _core.transforms.jvp(ys, [xs[i] for i in group], seeds)

    columns: list[list[_core.Tensor]] = [[] for _ in xs]
    for i, moved in mapped(derive, xs):
        behind = [_functions.transpose(m, [*range(1, len(m.shape)), 0]) for m in moved]
        columns[i] = [_functions.reshape(m, (*y.shape, *xs[i].shape)) for m, y in zip(behind, ys, strict=True)]
    return [list(row) for row in zip(*columns, strict=True)]


def jacobian(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Jacobian:
    """The derivative of every element of a function's results by every element of an argument.

    In reverse, with a gradient for each element of the results, or forward, with a derivative along each element of the
    argument: whichever there are fewer of. All of them run as one computation.

    Args:
        f: a function of arrays or trees of arrays, composed of operations.
        argnums: which positional argument, or arguments, to differentiate by.

    Returns:
        A function of the arguments of `f`. It gives arrays of shape (*result, *argument) in the structure of the
        results, with the structure of the argument in the place of each.

    Example:
        >>> import backpass as bp
        >>> import numpy as np
        >>> bp.jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
        array([[2., 0.],
               [0., 4.]])
    """
    numbers = _numbers(argnums)
    return kept(lambda: Jacobian(f, numbers), f, ("jacobian", numbers))


def hessian(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Jacobian:
    """The second derivatives of a function that gives one number: the Jacobian of its gradient.

    Args:
        f: a function of arrays or trees of arrays, composed of operations.
        argnums: which positional argument, or arguments, to differentiate by.

    Example:
        >>> import backpass as bp
        >>> import numpy as np
        >>> bp.hessian(lambda x: x[0] * x[0] * x[1])(np.array([1.0, 3.0]))
        array([[6., 2.],
               [2., 0.]])
    """
    return jacobian(grad(f, argnums), argnums)


class HessianProduct(Transform):
    """`hvp` of a function."""

    def _symbolic(self, *args: Any, **kwargs: Any) -> Any:
        *arguments, vector = args
        dtype = real_dtype((args, kwargs))
        views, placed = fresh("hvp", arguments[0], dtype)
        structure = tree.structure(placed)
        slopes = tree.leaves(grad(self._f)(placed, *arguments[1:], **kwargs))
        vectors = expect_leaves("hvp", "the vector", structure, vector, dtype)
        return tree.unflatten(structure, _core.transforms.vjp(slopes, views, vectors))


def hvp(f: Callable[..., Any]) -> HessianProduct:
    """See `backpass.hvp`."""
    return kept(lambda: HessianProduct(f), f, "hvp")
