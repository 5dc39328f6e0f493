"""Losses: one number that says how far a prediction is from its target, and its gradient."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

from backpass import _checks, _core

if TYPE_CHECKING:
    from backpass._types import Array, ArrayLike


@cache
def _native_loss(name: str, settings: tuple[tuple[str, float], ...]) -> _core.Loss:
    return _core.make_loss(name, dict(settings))


class Loss:
    """What all losses share: they are immutable, compare by their settings and print as they are written."""

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
        return _native_loss(type(self).__name__, tuple(vars(self).items()))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"[{type(self).__name__}] a loss cannot be changed: make another one")

    def __repr__(self) -> str:
        changed = [f"{name}={value!r}" for name, value in vars(self).items() if value != getattr(type(self), name)]
        return f"{type(self).__name__}({', '.join(changed)})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).values()))


class MSE(Loss):
    """Mean over all elements of (prediction - target)^2."""


class HalfMSE(Loss):
    """Half the squared error summed over outputs, mean over rows; its gradient is (prediction - target) / rows."""


class MAE(Loss):
    """Mean over all elements of |prediction - target|; the gradient where they are equal is 0.

    Example:
        >>> import backpass as bp
        >>> value, gradient = bp.MAE().value_and_grad([[3.0, 1.0]], [[1.0, 1.0]])
        >>> value, gradient.tolist()
        (1.0, [[0.5, 0.0]])
    """


class Huber(Loss):
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


class BinaryCrossEntropy(Loss):
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
