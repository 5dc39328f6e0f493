"""Derivatives of functions: gradients, and products with Jacobians from either side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from backpass import _core, tree
from backpass.functions._transform import (
    Transform,
    argument_numbers,
    as_tensor,
    expect_leaves,
    fresh,
    kept,
    outputs_of,
    real_dtype,
)


class Gradient(Transform):
    """`value_and_grad` of a function."""

    def __init__(self, f: Callable[..., Any], argnums: int | tuple[int, ...], has_aux: bool, where: str) -> None:
        super().__init__(f)
        self._argnums, self._has_aux, self._where = argnums, has_aux, where

    def _symbolic(self, *args: Any, **kwargs: Any) -> Any:
        dtype = real_dtype((args, kwargs))
        numbers = argument_numbers(self._where, self._argnums, len(args))
        views, chosen = fresh(self._where, tuple(args[n] for n in numbers), dtype)
        placed = [*args]
        for n, tree_of_views in zip(numbers, chosen, strict=True):
            placed[n] = tree_of_views
        result = self._f(*placed, **kwargs)
        if self._has_aux and not (isinstance(result, tuple) and len(result) == 2):
            raise TypeError(f"[{self._where}] with has_aux the function gives (value, aux), got {result!r:.60}")
        value, aux = result if self._has_aux else (result, None)
        y = as_tensor(value, dtype) if not isinstance(value, (list, tuple, dict)) else None
        if y is None or y.shape != ():
            got = "a container" if y is None else f"shape {y.shape}"
            raise ValueError(f"[{self._where}] the function must give one number, got {got}; jacobian takes any shape")
        grads = _core.transforms.vjp([y], views, [_core.constant(1.0, (), y.dtype)])
        parts = tree.unflatten(tree.structure(chosen), grads)
        return (y, aux) if self._has_aux else y, parts[0] if isinstance(self._argnums, int) else parts


class _GradientAlone(Gradient):
    def _symbolic(self, *args: Any, **kwargs: Any) -> Any:
        value, grads = super()._symbolic(*args, **kwargs)
        return (grads, value[1]) if self._has_aux else grads


def _numbers(argnums: int | Sequence[int]) -> int | tuple[int, ...]:
    return argnums if isinstance(argnums, int) else tuple(argnums)


def grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Gradient:
    """The gradient of a function that gives one number.

    Args:
        f: a function of arrays, and of nested dicts, lists, tuples and dataclasses of them, composed of operations.
        argnums: which positional argument, or arguments, to differentiate by.
        has_aux: whether `f` gives (value, aux), of which aux is passed on.

    Returns:
        A function of the arguments of `f` that gives the gradient in the structure of the argument (a tuple of several
        for several), or (gradient, aux). It can be differentiated again. Of one and the same `f`, calls share what was
        compiled; of a function that is written anew each time, such as a lambda in a loop, nothing can be shared: make
        the gradient before the loop. Values that `f` reads from around it are those at the time of the first call.

    Raises:
        ValueError: when called, if the result of `f` is not one number.
        TypeError: when called, if an argument to differentiate by holds integers.

    Example:
        >>> import backpass as bp
        >>> import numpy as np
        >>> def loss(w, x):
        ...     return bp.sum(bp.square(w["scale"] * x))
        >>> bp.grad(loss)({"scale": np.array(2.0)}, np.array([1.0, 3.0]))
        {'scale': array(40.)}
        >>> bp.grad(bp.grad(lambda x: x**3))(2.0).item()
        12.0
    """
    numbers = _numbers(argnums)
    return kept(lambda: _GradientAlone(f, numbers, has_aux, "grad"), f, ("grad", numbers, has_aux))


def value_and_grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Gradient:
    """As `grad`, but what it makes gives (value, gradient), or ((value, aux), gradient).

    Example:
        >>> import backpass as bp
        >>> import numpy as np
        >>> bp.value_and_grad(lambda x: bp.sum(x * x))(np.array([1.0, 2.0]))
        (array(5.), array([2., 4.]))
    """
    numbers = _numbers(argnums)
    return kept(lambda: Gradient(f, numbers, has_aux, "value_and_grad"), f, ("value_and_grad", numbers, has_aux))


class _Pullback(Transform):
    """(primals, seed) to what `vjp` gives."""

    def _symbolic(self, *args: Any, **kwargs: Any) -> Any:
        primals, seed = args
        dtype = real_dtype(args)
        views, placed = fresh("vjp", primals, dtype)
        ys, structure = outputs_of("vjp", self._f(*placed), dtype)
        seeds = expect_leaves("vjp", "the seed", structure, seed, dtype)
        return tree.unflatten(tree.structure(placed), _core.transforms.vjp(ys, views, seeds))


class _Pushforward(Transform):
    """(primals, tangents) to what `jvp` gives."""

    def _symbolic(self, *args: Any, **kwargs: Any) -> Any:
        primals, tangents = args
        dtype = real_dtype(args)
        views, placed = fresh("jvp", primals, dtype)
        ys, structure = outputs_of("jvp", self._f(*placed), dtype)
        directions = expect_leaves("jvp", "tangents", tree.structure(placed), tangents, dtype)
        moved = _core.transforms.jvp(ys, views, directions)
        return tree.unflatten(structure, ys), tree.unflatten(structure, moved)


class _Plain(Transform):
    """The function itself."""

    def _symbolic(self, *args: Any, **kwargs: Any) -> Any:
        return self._f(*args, **kwargs)


def vjp(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """A function's value, and the function that takes a seed back: rows of the Jacobian.

    Args:
        f: a function of arrays or trees of arrays, composed of operations.
        *primals: its arguments.

    Returns:
        f(*primals), and a function that takes a seed of its structure and shapes and gives, for each argument, the sum
        of d (y * seed) / d argument.

    Example:
        >>> import backpass as bp
        >>> import numpy as np
        >>> y, pull = bp.vjp(lambda x: x * x, np.array([1.0, 2.0]))
        >>> pull(np.array([1.0, 10.0]))
        (array([ 2., 40.]),)
    """
    value = kept(lambda: _Plain(f), f, "vjp value")
    pull = kept(lambda: _Pullback(f), f, "vjp")
    return value(*primals), lambda seed: pull(primals, seed)


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """A function's value, and its derivative along a direction: a product of the Jacobian with a vector.

    It is the gradient of the gradient's product with a seed, in which it is linear; so no operation has a rule of its
    own for it, and it costs about as much as two gradients.

    Args:
        f: a function of arrays or trees of arrays, composed of operations.
        primals: a list or tuple of its arguments.
        tangents: how each of them moves, in their structure.

    Example:
        >>> import backpass as bp
        >>> import numpy as np
        >>> bp.jvp(lambda x: x * x, [np.array([1.0, 2.0])], [np.array([1.0, 0.5])])
        (array([1., 4.]), array([2., 2.]))
    """
    if len(primals) != len(tangents):
        raise ValueError(f"[jvp] needs a tangent for each of {len(primals)} arguments, got {len(tangents)}")
    push = kept(lambda: _Pushforward(f), f, "jvp")
    value, moved = push(tuple(primals), tuple(tangents))
    return value, moved
