"""Losses: one number that says how far a prediction is from its target, and its gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from backpass import _core

if TYPE_CHECKING:
    from backpass._types import Array, ArrayLike


@cache
def _native_loss(name: str) -> _core.Loss:
    return _core.make_loss(name)


class Loss:
    """What all losses share. Two losses of one kind and the same settings are equal.

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
        return _native_loss(cls.__name__)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))


class MSE(Loss):
    """Mean over all elements of (prediction - target)^2."""


class HalfMSE(Loss):
    """Half the squared error summed over outputs, mean over rows; its gradient is (prediction - target) / rows."""


class CrossEntropy(Loss):
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
