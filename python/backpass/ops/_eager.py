"""Tensors that have values: operations on them are recorded, and computed where somebody asks."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from backpass import _checks, _core

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from backpass._types import ArrayLike

_F = TypeVar("_F", bound=Callable[..., Any])


def tensor(value: ArrayLike, dtype: str | None = None, requires_grad: bool = False) -> _core.Tensor:
    """A tensor with a value: what is computed from it has one too.

    Operations on such tensors are recorded. Asking for a value (`float(y)`, `y.numpy()`, `print(y)`, `if y:`) or for
    gradients (`y.backward()`) runs what was recorded, in one compiled plan; a recording of the same structure, as in
    the next turn of a loop, finds its plan again. See docs/eager.md.

    Args:
        value: a number, a list or an array, which is copied; or a tensor, whose value is taken.
        dtype: "float32", "float64" or "int32"; None keeps float32 and float64 of an array, takes float32 for other real
            numbers and int32 for whole ones. Python's own numbers count as real.
        requires_grad: whether `backward` leaves a gradient in `grad`.

    Raises:
        TypeError: if the value is not made of real numbers.
        ValueError: if a number does not fit the type, or integers shall have a gradient.

    Example:
        >>> import backpass as bp
        >>> w = bp.tensor([1.0, 2.0], requires_grad=True)
        >>> loss = bp.sum(w * w)
        >>> loss.backward()
        >>> float(loss), w.grad.tolist()
        (5.0, [2.0, 4.0])
    """
    if dtype is not None:
        _checks.choice("tensor", "dtype", dtype, ("float32", "float64", "int32"))
    if isinstance(value, _core.Tensor):
        value = np.asarray(value)
    elif not hasattr(value, "__array__") and dtype is None:
        dtype = "float32"
    return _core.tensor(value, dtype, _checks.flag("tensor", "requires_grad", requires_grad))


def Variable(initial_value: ArrayLike, dtype: str | None = None, trainable: bool = True) -> _core.Tensor:
    """`tensor(initial_value, requires_grad=True)`, in the words of Keras.

    Example:
        >>> import backpass as bp
        >>> x = bp.Variable(3.0)
        >>> with bp.GradientTape() as tape:
        ...     y = x * x
        >>> float(tape.gradient(y, x))
        6.0
        >>> x.assign(1.0)
        >>> float(x)
        1.0
    """
    return tensor(initial_value, dtype, trainable)


def Parameter(data: ArrayLike, requires_grad: bool = True, dtype: str | None = None) -> _core.Tensor:
    """`tensor(data, requires_grad=True)`, in the words of PyTorch: a leaf that a `Module` holds in an attribute.

    An array of float64, as NumPy makes by default, gives a leaf of float64 unless `dtype` is "float32".

    Example:
        >>> import backpass as bp
        >>> bp.Parameter([1.0, 2.0])
        tensor([1., 2.], requires_grad=True)
    """
    return tensor(data, dtype, requires_grad)


def _leaf(values: Any, requires_grad: bool, is_parameter: bool) -> _core.Tensor:
    """What a copy or pickle of a leaf becomes; a parameter that is frozen is so because it lives somewhere."""
    leaf = tensor(values, None, is_parameter)
    if is_parameter and not requires_grad:
        _core.joined([("0", leaf)])
        leaf.requires_grad = False
    return leaf


class _GradientMode:
    """Switches the recording of gradients on this thread; a decorator too."""

    _on: bool

    def __enter__(self) -> Self:
        self._before = _core.recording_gradients()
        _core.set_recording_gradients(self._on)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        _core.set_recording_gradients(self._before)

    def __call__(self, function: _F) -> _F:
        @functools.wraps(function)
        def within(*args: Any, **options: Any) -> Any:
            with type(self)():
                return function(*args, **options)

        return within  # type: ignore[return-value]


class no_grad(_GradientMode):  # noqa: N801 (as PyTorch spells it)
    """Within it, what is computed has no gradient: it keeps nothing of what it was made from.

    Example:
        >>> import backpass as bp
        >>> w = bp.tensor([1.0], requires_grad=True)
        >>> with bp.no_grad():
        ...     print((w * 2).requires_grad)
        False
    """

    _on = False


class enable_grad(_GradientMode):  # noqa: N801 (as PyTorch spells it)
    """Within it, gradients are recorded, also inside of `no_grad`.

    Example:
        >>> import backpass as bp
        >>> w = bp.tensor([1.0], requires_grad=True)
        >>> with bp.no_grad(), bp.enable_grad():
        ...     print((w * 2).requires_grad)
        True
    """

    _on = True


class _Tapes(threading.local):
    open = 0


_tapes = _Tapes()


class GradientTape:
    """Gradients of what is computed within it, as in Keras.

    Tensors that require a gradient (`tensor(..., requires_grad=True)`, `Variable`, parameters of models) are watched
    by themselves. Within another tape, gradients are recorded too, and can be differentiated again.

    Args:
        persistent: whether `gradient` may be asked several times.

    Example:
        >>> import backpass as bp
        >>> x = bp.tensor(2.0)
        >>> with bp.GradientTape() as outer:
        ...     outer.watch(x)
        ...     with bp.GradientTape() as tape:
        ...         y = x ** 3
        ...     slope = tape.gradient(y, x)
        >>> float(slope), float(outer.gradient(slope, x))
        (12.0, 12.0)
    """

    def __init__(self, persistent: bool = False) -> None:
        self._persistent = _checks.flag("GradientTape", "persistent", persistent)
        self._asked = False
        self._open = False

    def __enter__(self) -> Self:
        self._mode = enable_grad().__enter__()
        self._open = True
        _tapes.open += 1
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._mode.__exit__(kind, error, at)
        self._open = False
        _tapes.open -= 1

    def watch(self, value: Any) -> None:
        """Asks for gradients of a tensor, or of each in a list, tuple or dict, that is used from now on."""
        for each in _leaves(value, []):
            if not each.requires_grad:
                each.requires_grad = True

    def gradient(self, target: Any, sources: Any, output_gradients: Any = None) -> Any:
        """The gradient of a tensor, or of the sum of several, by each source.

        Args:
            target: a tensor or a list of tensors. Elements of one that is not a number are added up.
            sources: a tensor, or lists, tuples and dicts of tensors: `model.trainable_variables`.
            output_gradients: what the elements of each target are weighed with; None is ones.

        Returns:
            A tensor for each source, in the form of `sources`; None where the target does not follow from it.

        Raises:
            RuntimeError: if the tape is not persistent and has been asked before.
            ValueError: if the target follows from nothing that is watched.
        """
        if self._asked and not self._persistent:
            raise RuntimeError("[GradientTape] gives gradients once: GradientTape(persistent=True) gives them again")
        ys, xs = _leaves(target, []), _leaves(sources, [])
        given = [None] * len(ys) if output_gradients is None else _leaves(output_gradients, [])
        if len(given) != len(ys):
            raise ValueError(f"[GradientTape] output_gradients must be as many as targets, {len(ys)}, got {len(given)}")
        seeds = [_ones(y) if seed is None else seed for y, seed in zip(ys, given, strict=True)]
        if _tapes.open > (self._open and not self._persistent):
            grads: list[Any] = list(_core.recorded_gradients(ys, xs, seeds))
        else:
            grads = _core.eager_gradients(ys, xs, seeds, self._persistent)
        self._asked = True
        return _like(sources, iter(grads))


def _ones(y: _core.Tensor) -> _core.Tensor | None:
    return None if y.shape == () else _core.tensor(np.ones(y.shape, y.dtype), y.dtype, False)


def _leaves(value: Any, found: list[_core.Tensor]) -> list[_core.Tensor]:
    if isinstance(value, _core.Tensor) and value.is_eager:
        found.append(value)
    elif isinstance(value, (list, tuple)):
        for each in value:
            _leaves(each, found)
    elif isinstance(value, dict):
        _leaves(list(value.values()), found)
    else:
        raise TypeError(f"[GradientTape] takes tensors with values, got {_checks.shown(value)}")
    return found


def _like(value: Any, grads: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(_like(each, grads) for each in value)
    if isinstance(value, dict):
        return {name: _like(each, grads) for name, each in value.items()}
    return next(grads)


class Hook:
    """A hook of a tensor: `remove` takes it away."""

    def __init__(self, owner: _core.Tensor, number: int) -> None:
        self._owner, self._number = owner, number

    def remove(self) -> None:
        """Takes the hook away; a second time does nothing."""
        self._owner._remove_hook(self._number)
