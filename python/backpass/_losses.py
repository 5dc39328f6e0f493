"""Losses: one number that says how far a prediction is from its target, and its gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import numpy as np

from backpass import _checks, _core

if TYPE_CHECKING:
    from backpass._types import Array, ArrayLike


@cache
def _native_loss(name: str, settings: tuple[tuple[str, float], ...]) -> _core.Loss:
    return _core.make_loss(name, dict(settings))


class Loss:
    """What all losses share: they compare by their settings and print as they are written.

    To write your own, subclass it and give it `forward(prediction, target)`, which composes operations, or
    `value_and_grad(prediction, target, sample_weight=None)`, which computes a number and the gradient by the prediction
    with NumPy. A function of (prediction, target) that composes operations is a loss too.

    Example:
        >>> import backpass as bp
        >>> def cube(prediction, target):
        ...     return bp.abs(prediction - target) ** 3
        >>> model = bp.Sequential(bp.Dense(1), input_shape=2, dtype="float64", seed=0)
        >>> bp.gradcheck(model, cube, [[1.0, 2.0]], [[0.5]]) < 1e-6
        True
    """

    takes_labels = False  # whether integers (rows,) are passed on as they are

    def value_and_grad(
        self, prediction: ArrayLike, target: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> tuple[float, Array]:
        """The loss and its gradient with respect to the prediction.

        Args:
            prediction: (rows, outputs).
            target: of the same shape; (rows,) for (rows, 1); for `CrossEntropy` also integer labels (rows,).
            sample_weight: (rows,); means are then divided by the sum of the weights.

        Returns:
            A number, and an array of the prediction's shape.

        Raises:
            ValueError: where shapes do not fit, or a label is out of range.
            TypeError: where an argument is not an array of real numbers.

        Example:
            >>> import backpass as bp
            >>> value, gradient = bp.HalfMSE().value_and_grad([[0.5]], [[1.0]])
            >>> value, gradient.tolist()
            (0.125, [[-0.5]])
        """
        return self._native.value_and_grad(prediction, target, sample_weight)

    def forward(self, prediction: _core.Tensor, target: _core.Tensor) -> _core.Tensor:
        """The loss of your own as a tensor: one number, or one per row (or element), whose mean is taken."""
        raise NotImplementedError(f"[{type(self).__name__}] a loss of your own needs forward or value_and_grad")

    @property
    def _native(self) -> _core.Loss:
        cls = type(self)
        if cls.value_and_grad is not Loss.value_and_grad:
            return _host_loss(self)
        if cls.forward is not Loss.forward:
            return _composed_loss(cls.__name__, self.forward, self.takes_labels)
        raise NotImplementedError(f"[{cls.__name__}] a loss of your own needs forward or value_and_grad")

    def __repr__(self) -> str:
        missing = object()
        changed = [f"{k}={v!r}" for k, v in vars(self).items() if v != getattr(type(self), k, missing)]
        return f"{type(self).__name__}({', '.join(changed)})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).values()))


class _Fixed(Loss):
    """Losses of this module: immutable."""

    @property
    def _native(self) -> _core.Loss:
        ours = next(cls for cls in type(self).__mro__ if cls.__module__ == __name__)
        if type(self).value_and_grad is not Loss.value_and_grad or type(self).forward is not Loss.forward:
            return super()._native
        return _native_loss(ours.__name__, tuple(vars(self).items()))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"[{type(self).__name__}] a loss cannot be changed: make another one")


class MSE(_Fixed):
    """Mean over all elements of (prediction - target)^2."""


class HalfMSE(_Fixed):
    """Half the squared error summed over outputs, mean over rows; its gradient is (prediction - target) / rows."""


class MAE(_Fixed):
    """Mean over all elements of |prediction - target|; the gradient where they are equal is 0.

    Example:
        >>> import backpass as bp
        >>> value, gradient = bp.MAE().value_and_grad([[3.0, 1.0]], [[1.0, 1.0]])
        >>> value, gradient.tolist()
        (1.0, [[0.5, 0.0]])
    """


class Huber(_Fixed):
    """Mean over all elements of e^2 / 2 where |e| <= delta, else delta (|e| - delta / 2), e = prediction - target.

    Squares for small errors, a line for large ones, so that outliers weigh less (Huber 1964). The gradient by an
    element is e within [-delta, delta], divided by the number of elements.

    Args:
        delta: where the line begins; positive and finite.

    Raises:
        ValueError: where `delta` is outside.

    Example:
        >>> import backpass as bp
        >>> loss = bp.Huber(delta=2.0)
        >>> value, gradient = loss.value_and_grad([[1.0, 5.0]], [[0.0, 0.0]])
        >>> value, gradient.tolist()
        (4.25, [[0.5, 1.0]])
    """

    delta: float = 1.0

    def __init__(self, delta: float = 1.0) -> None:
        self.__dict__["delta"] = _checks.number("Huber", "delta", delta)
        if not 0 < self.delta < float("inf"):
            raise ValueError(f"[Huber] delta must be positive and finite, got {delta}")


class BinaryCrossEntropy(_Fixed):
    """Mean over all elements of -y log s(z) - (1 - y) log(1 - s(z)), with s the sigmoid: z is a logit, y in [0, 1].

    A model that ends in `Sigmoid` is a mistake here. Each output is a yes or no of its own; targets are 0 and 1, or
    probabilities. The gradient is (s(z) - y) / elements, and stays right at any logit. The metric "accuracy" counts a
    logit above 0 as 1.

    Example:
        >>> import backpass as bp
        >>> value, gradient = bp.BinaryCrossEntropy().value_and_grad([[0.0], [1e4]], [1, 1])
        >>> round(value, 6), gradient.tolist()
        (0.346574, [[-0.25], [0.0]])
    """


class CrossEntropy(_Fixed):
    """-log softmax(prediction) at the label, mean over rows.

    The prediction is logits: a model that ends in `Softmax` is a mistake here. A target of probability rows gives the
    expectation, -sum_j target_j log softmax(prediction)_j. Its gradient is (softmax(prediction) - target) / rows.

    Example:
        >>> import backpass as bp
        >>> value, gradient = bp.CrossEntropy().value_and_grad([[0.0, 0.0]], [1])
        >>> round(value, 6), gradient.tolist()
        (0.693147, [[0.5, -0.5]])
    """


AnyLoss: TypeAlias = "Loss | Callable[[_core.Tensor, _core.Tensor], _core.Tensor] | Sequence[AnyLoss]"


def native_losses(where: str, loss: Any) -> list[_core.Loss]:
    """The native forms of one loss, or of one for each output."""
    several = loss if isinstance(loss, (list, tuple)) else [loss]
    if not several:
        raise ValueError(f"[{where}] loss must not be an empty list")
    return [native_loss(where, one) for one in several]


def native_loss(where: str, loss: Any) -> _core.Loss:
    """The native form of a loss, ours or one's own; a helpful TypeError otherwise."""
    if isinstance(loss, type):
        raise TypeError(f"[{where}] loss must be a loss, got a class: write {loss.__name__}()")
    if isinstance(loss, Loss):
        return loss._native
    if hasattr(loss, "value_and_grad"):
        return _host_loss(loss)
    if callable(loss):
        return _composed_loss(getattr(loss, "__name__", type(loss).__name__), loss, False)
    raise TypeError(f"[{where}] loss must be a loss such as MSE(), got {loss!r}")


def _composed_loss(name: str, function: Callable[..., Any], takes_labels: bool) -> _core.Loss:
    def build(prediction: _core.Tensor, target: _core.Tensor, weight: _core.Tensor | None) -> _core.Tensor:
        value = function(prediction, target)
        if not isinstance(value, _core.Tensor):
            raise TypeError(f"[{name}] must give a tensor, got {type(value).__name__}")
        if value.shape == ():
            if weight is not None:
                raise ValueError(f"[{name}] gives one number: to take sample_weight it must give one per row")
            return value
        if value.shape[0] is not None:
            raise ValueError(f"[{name}] must give one number, or numbers by row: (rows, ...), got {value.shape}")
        rows = _core.mean(value, list(range(1, len(value.shape)))) if len(value.shape) > 1 else value
        return _core.mean(rows) if weight is None else _core.sum(rows * weight) / _core.sum(weight)

    return _core.python_loss(name, takes_labels, build)


class _HostLoss:
    """One use of a loss that NumPy computes; it keeps the gradient from the value's call for the gradient's."""

    def __init__(self, loss: Any) -> None:
        self.loss, self.grad = loss, np.zeros(())

    def value(self, *arrays: Array) -> Array:
        value, grad = self.loss.value_and_grad(*arrays)
        self.grad = np.asarray(grad)
        return np.asarray(float(value))

    def gradient(self, grad: Array, *arrays: Array) -> tuple[Array | None, ...]:
        return (self.grad * grad, *(None for _ in arrays[1:]))


def _host_loss(loss: Any) -> _core.Loss:
    name = type(loss).__name__

    def build(prediction: _core.Tensor, target: _core.Tensor, weight: _core.Tensor | None) -> _core.Tensor:
        use = _HostLoss(loss)
        inputs = [prediction, target] if weight is None else [prediction, target, weight]
        return _core.host_call(name, use.value, use.gradient, inputs, ())

    return _core.python_loss(name, bool(getattr(loss, "takes_labels", False)), build)
