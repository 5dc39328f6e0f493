"""Functions that are compiled, computed again in the backward pass, or have gradients of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from backpass import _checks, _core, _functions, tree
from backpass.functions._numpy_functions import NumpyFunction, Shape
from backpass.functions._transform import Transform, as_tensor, fresh, kept, outputs_of, real_dtype, size


class Compiled(Transform):
    """`compile` of a function."""

    def _symbolic(self, *args: Any, **kwargs: Any) -> Any:
        return self._f(*args, **kwargs)


def compile(
    f: Callable[..., Any] | None = None,
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    donate_argnums: int | Sequence[int] = (),
    training: bool = False,
    seed: int | None = None,
) -> Any:
    """A function that runs as one compiled plan; also a decorator.

    It is traced once for each structure, shapes and dtypes of its arguments and each value of its static ones. What
    Python does in it, it does while it is traced: choices by values take `bp.where`, or a static argument.

    Args:
        f: a function of arrays or trees of arrays, composed of operations; also what `grad` or `vmap` made.
        static_argnums: positions of arguments that are not arrays but settings, which must be hashable.
        static_argnames: the same for keyword arguments.
        donate_argnums: positions of arguments whose arrays the caller gives away, as in JAX: results may be written
            over them, and are then these very arrays. What `Optimizer.apply` gives is, where nothing reads the old
            parameter after it. After a call that raises, such arrays may hold anything.
        training: whether operations that differ in training (dropout, batch statistics) do as they do there.
        seed: of random numbers; each call draws anew (see the attribute `step`). None: as `bp.manual_seed` says.

    Returns:
        A function of the arguments of `f`. `print(g.plan(*args))` shows what a call runs.

    Example:
        >>> import backpass as bp
        >>> import numpy as np
        >>> @bp.compile(static_argnames="power")
        ... def norm(x, power=2):
        ...     return bp.sum(bp.abs(x) ** power) ** (1 / power)
        >>> norm(np.array([3.0, 4.0])).item()
        5.0
    """
    if f is None:
        return lambda g: compile(
            g,
            static_argnums=static_argnums,
            static_argnames=static_argnames,
            donate_argnums=donate_argnums,
            training=training,
            seed=seed,
        )
    positions, donated = (positions_of(*each) for each in (("static", static_argnums), ("donate", donate_argnums)))
    names = (static_argnames,) if isinstance(static_argnames, str) else tuple(static_argnames)
    if {*positions} & {*donated}:
        raise ValueError(f"[compile] donate_argnums names argument {min({*positions} & {*donated})}, which is static")
    _checks.seed("compile", seed)
    key = ("compile", positions, names, donated, training, seed)
    return kept(lambda: Compiled(f, positions, names, donated, training, seed), f, key)


def positions_of(kind: str, given: int | Sequence[int]) -> tuple[int, ...]:
    """One position, or several, none below 0."""
    positions = (given,) if isinstance(given, int) else tuple(given)
    for position in positions:
        _checks.integer("compile", f"{kind}_argnums", position, minimum=0)
    return positions


class Checkpoint(Transform):
    """`checkpoint` of a function."""

    def _symbolic(self, *args: Any, **kwargs: Any) -> Any:
        leaves, structure = tree.flatten((args, kwargs))
        views = [_core.transforms.view(x) if isinstance(x, _core.Tensor) else x for x in leaves]
        inner_args, inner_kwargs = tree.unflatten(structure, views)
        ys, made = outputs_of("checkpoint", self._f(*inner_args, **inner_kwargs), real_dtype(leaves))
        tensors = [x for x in views if isinstance(x, _core.Tensor)]
        if len(ys) == 1:
            return tree.unflatten(made, [_core.transforms.checkpoint(ys[0], tensors)])
        together = _functions.concat([_functions.reshape(y, (size(y),)) for y in ys], 0)
        flat, parts, n = _core.transforms.checkpoint(together, tensors), [], 0
        for y in ys:
            length = size(y)
            parts.append(_functions.reshape(_functions.slice(flat, 0, n, n + length), y.shape))
            n += length
        return tree.unflatten(made, parts)


def checkpoint(f: Callable[..., Any]) -> Checkpoint:
    """A function whose values are computed again in the backward pass instead of being kept (Chen et al. 2016).

    The gradients are the same. Only the arguments are kept until they are needed.

    Example:
        >>> import backpass as bp
        >>> import numpy as np
        >>> block = bp.checkpoint(lambda x: bp.tanh(bp.tanh(x)))
        >>> bp.grad(lambda x: bp.sum(block(x)))(np.zeros(2))
        array([1., 1.])
    """
    return kept(lambda: Checkpoint(f), f, "checkpoint")


class CustomGradient(Transform):
    """`custom_gradient` of a function."""

    def _symbolic(self, *args: Any, **kwargs: Any) -> Any:
        dtype = real_dtype((args, kwargs))
        views, placed = fresh("custom_gradient", args, dtype)
        result = self._f(*placed, **kwargs)
        if not (isinstance(result, tuple) and len(result) == 2 and callable(result[1])):
            raise TypeError(f"[custom_gradient] the function gives (value, rule), got {result!r:.60}")
        ys, made = outputs_of("custom_gradient", result[0], dtype)
        zeros = [_core.constant(0.0, y.shape, y.dtype) for y in ys]

        def rule_of(k: int) -> Callable[[_core.Tensor], list[_core.Tensor | None]]:
            def rule(seed: _core.Tensor) -> list[_core.Tensor | None]:
                seeds = [seed if i == k else zero for i, zero in enumerate(zeros)]
                grads = result[1](tree.unflatten(made, seeds))
                return gradients_like(args, grads, dtype)

            return rule

        own = [_core.transforms.custom_gradient(y, views, rule_of(k)) for k, y in enumerate(ys)]
        return tree.unflatten(made, own)


def gradients_like(args: tuple[Any, ...], grads: Any, dtype: str) -> list[_core.Tensor | None]:
    """What a rule gave, a gradient for each leaf of the arguments: None is none for all of an argument."""
    given = (grads,) if len(args) == 1 and not (isinstance(grads, tuple) and len(grads) == 1) else grads
    if not isinstance(given, (list, tuple)) or len(given) != len(args):
        raise ValueError(f"[custom_gradient] the rule gives a gradient for each of {len(args)} arguments")
    found: list[_core.Tensor | None] = []
    for arg, grad in zip(args, given, strict=True):
        structure = tree.structure(arg)
        parts = [None] * structure.count if grad is None else tree.leaves_like(structure, grad)
        found += [None if part is None else as_tensor(part, dtype) for part in parts]
    return found


def custom_gradient(f: Callable[..., Any] | None = None, *, numpy: bool = False, shape: Shape = None) -> Any:
    """A function with a gradient of its own; also a decorator.

    Args:
        f: gives (value, rule): the rule takes the gradient by the value, in its structure, and gives the gradient by
            each argument, alone where there is one, else as a tuple; None for none. Both are composed of operations,
            so that the gradient can be differentiated again.
        numpy: whether both compute with NumPy instead. Arguments are arrays, and the value is one. `f` is called when
            the plan runs, and again for the gradient, which cannot be differentiated again. `vmap` refuses it.
        shape: of the value, with `numpy`: its dimensions, or a function of the arguments' shapes; None is that of the
            first argument.

    Example:
        >>> import backpass as bp
        >>> import numpy as np
        >>> @bp.custom_gradient
        ... def clipped(x):
        ...     return x, lambda g: bp.minimum(g, 0.5 + 0.0 * g)
        >>> bp.grad(lambda x: bp.sum(clipped(x) * 3.0))(np.array([1.0]))
        array([0.5])
        >>> @bp.custom_gradient(numpy=True)
        ... def sinc(x):
        ...     return np.sinc(x), lambda g: g * (np.cos(np.pi * x) - np.sinc(x)) / x
        >>> bp.grad(lambda x: bp.sum(bp.square(sinc(x))))(np.array([0.5])).round(4)
        array([-1.6211])
    """
    if f is None:
        return lambda g: custom_gradient(g, numpy=numpy, shape=shape)
    if _checks.flag("custom_gradient", "numpy", numpy):
        return NumpyFunction(f, shape)
    if shape is not None:
        raise ValueError("[custom_gradient] shape is for numpy=True: operations know their shapes")
    return kept(lambda: CustomGradient(f), f, "custom_gradient")
