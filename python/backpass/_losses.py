"""Losses: one number that says how far a prediction is from its target, and its gradient."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from backpass import _core

if TYPE_CHECKING:
    from backpass._types import Array, ArrayLike


@cache
def _native_loss(name: str) -> _core.Loss:
    return _core.make_loss(name)


class Loss:
    """What all losses share. Two losses of one kind and the same settings are equal."""

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

    @property
    def _native(self) -> _core.Loss:
        return _native_loss(type(self).__name__)

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


def native_loss(where: str, loss: Any) -> _core.Loss:
    """The native form of a loss; a helpful TypeError otherwise."""
    if isinstance(loss, Loss):
        return loss._native
    if isinstance(loss, type) and issubclass(loss, Loss):
        raise TypeError(f"[{where}] loss must be a loss, got a class: write {loss.__name__}()")
    raise TypeError(f"[{where}] loss must be a loss such as MSE(), got {loss!r}")
