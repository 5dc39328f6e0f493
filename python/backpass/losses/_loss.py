"""Losses: one number that says how far a prediction is from its target, and its gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import numpy as np

from backpass import _checks, _core, _functions, _names, _settings
from backpass._sealed import refusal

if TYPE_CHECKING:
    from backpass._types import Array, ArrayLike, Shape


@cache
def _native_loss(name: str, settings: tuple[tuple[str, Any], ...]) -> _core.Loss:
    return _core.make_loss(name, _settings.given(dict(settings)))


class Loss:
    """The base of all losses. Losses are equal if their settings are, and print as they are written.

    To write your own, subclass it and define `forward(prediction, target)`, which composes operations, or
    `value_and_grad(prediction, target, sample_weight=None)`, which computes the loss and its gradient by the prediction
    with NumPy. A function of (prediction, target) that composes operations is a loss too.

    Class attributes of your own losses:
        takes_labels: whether integers (rows,) are passed on as they are.
        output_kind: what a model gives that is trained with it, for metrics such as "accuracy": "estimates" of the
            targets in their unit, "yes_no_logits" (of each output for itself), "class_logits", "means_and_variances";
            "unknown" may be any of these, or probabilities.

    Example:
        >>> import backpass as bp
        >>> def cube(prediction, target):
        ...     return bp.abs(prediction - target) ** 3
        >>> model = bp.Sequential(bp.Dense(1), input_shape=2, dtype="float64", seed=0)
        >>> bp.gradcheck(model, cube, [[1.0, 2.0]], [[0.5]]) < 1e-6
        True
    """

    takes_labels = False
    output_kind = "unknown"

    def value_and_grad(
        self, prediction: ArrayLike, target: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> tuple[float, Array]:
        """The loss and its gradient with respect to the prediction.

        Args:
            prediction: (rows, outputs).
            target: of the same shape, or as the loss says; (rows,) for (rows, 1); for `CrossEntropy` and `Focal` also
                integer labels (rows,).
            sample_weight: (rows,); means are then divided by the sum of the weights. Where all are 0, so are the loss
                and its gradient.

        Returns:
            A number, and an array of the prediction's shape.

        Raises:
            ValueError: if shapes do not fit, or a label is out of range.
            TypeError: if an argument is not an array of real numbers.

        Example:
            >>> import backpass as bp
            >>> value, gradient = bp.HalfMSE().value_and_grad([[0.5]], [[1.0]])
            >>> value, gradient.tolist()
            (0.125, [[-0.5]])
        """
        return self._native.value_and_grad(prediction, target, sample_weight)

    def forward(self, prediction: _core.Tensor, target: _core.Tensor) -> _core.Tensor:
        """Your own loss as a tensor: one number, or one per row or element, whose mean is taken."""
        raise NotImplementedError(f"[{type(self).__name__}] a loss of your own needs forward or value_and_grad")

    def target_shape(self, prediction: Shape) -> Shape:
        """The shape of targets, from that of the prediction: (None, ...), where the first dimension is the batch."""
        return prediction

    @property
    def _native(self) -> _core.Loss:
        cls = type(self)
        if cls.value_and_grad is not Loss.value_and_grad:
            return _host_loss(self)
        if cls.forward is not Loss.forward:
            return _composed_loss(cls.__name__, self.forward, self)
        raise NotImplementedError(f"[{cls.__name__}] a loss of your own needs forward or value_and_grad")

    def __repr__(self) -> str:
        missing = object()
        changed = [f"{k}={v!r}" for k, v in vars(self).items() if v != getattr(type(self), k, missing)]
        return f"{type(self).__name__}({', '.join(changed)})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).values()))


OUTPUT_KINDS = ("unknown", "estimates", "means_and_variances", "yes_no_logits", "class_logits")
LOSSES: dict[str, type[FixedLoss]] = {}  # ours, by name
ALIASES = {
    "bce": "BinaryCrossEntropy",
    "categoricalcrossentropy": "CrossEntropy",
    "meanabsoluteerror": "MAE",
    "meansquarederror": "MSE",
    "sparsecategoricalcrossentropy": "CrossEntropy",
}


class FixedLoss(Loss):
    """Losses of ours: immutable.

    The core lists the settings of each (see `_settings`). A setting that may be left out is a class attribute too: its
    default, from the constructor.
    """

    output_kind = "estimates"

    def __init_subclass__(cls) -> None:
        if cls.__module__.startswith("backpass."):
            LOSSES[cls.__name__] = cls
            _settings.set_defaults(cls)

    def target_shape(self, prediction: Shape) -> Shape:
        return self._ours.target_shape(prediction)

    @property
    def _ours(self) -> _core.Loss:
        """What the core has, whatever a subclass overrides."""
        return _native_loss(self._kind(), tuple(vars(self).items()))

    @classmethod
    def _kind(cls) -> str:
        return next(base.__name__ for base in cls.__mro__ if base.__module__.startswith("backpass."))

    @property
    def _native(self) -> _core.Loss:
        changed = type(self).value_and_grad is not Loss.value_and_grad or type(self).forward is not Loss.forward
        return super()._native if changed else self._ours

    def _keep(self, **settings: object) -> None:
        """Checks settings and keeps them."""
        kind = self._kind()
        self.__dict__.update(_settings.all_checked(kind, _settings.fields("loss", kind), settings))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise refusal(self, name, "make another loss")


AnyLoss: TypeAlias = "str | Loss | Callable[[_core.Tensor, _core.Tensor], _core.Tensor] | Sequence[AnyLoss]"


def resolved(where: str, loss: Any) -> Any:
    """The loss, one of ours in place of its name; a list for a list."""
    if isinstance(loss, (list, tuple)):
        return [_by_name(where, one) for one in loss]
    return _by_name(where, loss)


def _by_name(where: str, loss: Any) -> Any:
    if not isinstance(loss, str):
        return loss
    return _of_defaults(_names.lookup(where, "loss", loss, {name: name for name in LOSSES}, ALIASES))


@cache
def _of_defaults(name: str) -> FixedLoss:
    return LOSSES[name]()  # always the same one, so that a fit goes on with the plans of the last


def native_losses(where: str, loss: Any) -> list[_core.Loss]:
    """The native forms of one loss, or of one for each output."""
    several = loss if isinstance(loss, (list, tuple)) else [loss]
    if not several:
        raise ValueError(f"[{where}] loss must not be an empty list")
    return [native_loss(where, one) for one in several]


def native_weights(where: str, weights: Any) -> list[float]:
    """Weights of the losses by output; none for None."""
    if weights is None:
        return []
    return list(_checks.numbers(where, "loss_weights", weights))


def native_loss(where: str, loss: Any) -> _core.Loss:
    """The native form of a loss, ours or one's own; a helpful TypeError otherwise."""
    loss = resolved(where, loss)
    if isinstance(loss, type):
        raise TypeError(f"[{where}] loss must be a loss, got a class: write {loss.__name__}()")
    if isinstance(loss, Loss):
        return loss._native
    if hasattr(loss, "value_and_grad"):
        return _host_loss(loss)
    if callable(loss):
        return _composed_loss(getattr(loss, "__name__", type(loss).__name__), loss, loss)
    raise TypeError(f"[{where}] loss must be a loss such as MSE(), got {loss!r}")


def _own_target_shape(loss: Any) -> Callable[[Shape], Shape] | None:
    """`target_shape` of a loss of one's own, if it has one."""
    if getattr(type(loss), "target_shape", Loss.target_shape) is Loss.target_shape:
        return None
    name = type(loss).__name__
    return lambda prediction: (None, *_checks.shape(name, "target_shape", loss.target_shape(prediction)[1:]))


def _told_settings(loss: Any) -> dict[str, Any]:
    """What a checkpoint compares of a loss of one's own: attributes that are numbers, texts or lists of numbers."""
    if not isinstance(loss, Loss):
        return {}
    told = {name: tuple(value) if isinstance(value, list) else value for name, value in vars(loss).items()}
    return {name: value for name, value in told.items() if _can_be_told(value)}


def _can_be_told(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(type(each) in (bool, int, float) for each in value)
    return isinstance(value, (bool, float, str)) or (isinstance(value, int) and abs(value) < 1 << 63)


def _python_loss(loss: Any, name: str, build: Callable[..., Any]) -> _core.Loss:
    """With what an object or a function says of its targets and outputs."""
    output_kind = _checks.choice(name, "output_kind", getattr(loss, "output_kind", "unknown"), OUTPUT_KINDS)
    takes_labels = bool(getattr(loss, "takes_labels", False))
    return _core.python_loss(name, _told_settings(loss), takes_labels, output_kind, build, _own_target_shape(loss))


def _composed_loss(name: str, function: Callable[..., Any], loss: Any) -> _core.Loss:
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
        rows = _functions.mean(value, list(range(1, len(value.shape)))) if len(value.shape) > 1 else value
        return _functions.mean(rows) if weight is None else _over_weights(rows, weight)

    return _python_loss(loss, name, build)


def _over_weights(rows: _core.Tensor, weight: _core.Tensor) -> _core.Tensor:
    """The weighted mean; 0 where all weights are."""
    least = _core.constant(float(np.finfo(weight.dtype).tiny), (), weight.dtype)
    return _functions.sum(rows * weight) / _functions.maximum(_functions.sum(weight), least)


class _HostLoss:
    """One use of a loss that NumPy computes; it keeps the gradient from the value's call for the gradient's."""

    def __init__(self, loss: Any) -> None:
        self.loss, self.grad = loss, np.zeros(())
        self.name = type(loss).__name__

    def value(self, *arrays: Array) -> Array:
        value, grad = self.loss.value_and_grad(*arrays)
        self.grad = _core.numbers(grad, self.name, "its gradient")
        return np.asarray(_checks.number(self.name, "its value", value))

    def gradient(self, grad: Array, *arrays: Array) -> tuple[Array | None, ...]:
        return (self.grad * grad, *(None for _ in arrays[1:]))


def _host_loss(loss: Any) -> _core.Loss:
    name = type(loss).__name__

    def build(prediction: _core.Tensor, target: _core.Tensor, weight: _core.Tensor | None) -> _core.Tensor:
        use = _HostLoss(loss)
        inputs = [prediction, target] if weight is None else [prediction, target, weight]
        return _core.host_call(name, use.value, use.gradient, inputs, ())

    return _python_loss(loss, name, build)
