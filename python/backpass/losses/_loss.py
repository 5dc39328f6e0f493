"""Losses: one number that says how far a prediction is from its target, and its gradient."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import numpy as np

from backpass import _checks, _core, _names, _settings
from backpass._sealed import refusal
from backpass.losses._called import called, lasting
from backpass.losses._composed import composed

if TYPE_CHECKING:
    from backpass._types import Array, ArrayLike, Shape


@cache
def _native_loss(name: str, settings: tuple[tuple[str, Any], ...]) -> _core.Loss:
    return _core.make_loss(name, _settings.given(dict(settings)))


class Loss:
    """The base of all losses. Losses are equal if their settings are, and print as they are written.

    To write your own, subclass it and define `forward(prediction, target)`, which composes operations, or
    `value_and_grad(prediction, target, sample_weight=None)`, which computes the loss and its gradient by the prediction
    with NumPy. A function of (prediction, target) that composes operations is a loss too. Targets may be one array of
    the prediction's shape, or a dict or tuple of arrays of any shapes and types with equal rows, or None; the loss gets
    tensors in the same form (integers as int32, all else as the model's type, so True is 1) and, without targets, the
    prediction alone. If it has one more parameter named `x`, it gets the model's inputs too, a tensor or a list of
    them: `bp.gradients(bp.sum(prediction), [x])` are derivatives of the model. `sample_weight` may be negative: means
    are divided by the sum of its absolute values.

    Class attributes of your own losses:
        takes_labels: whether integers (rows,) are passed on as they are.
        joint: whether the loss gets a list of all outputs of a model in place of one; see `JointLoss`.
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
    joint = False
    output_kind = "unknown"

    def value_and_grad(
        self, prediction: ArrayLike, target: Any, sample_weight: ArrayLike | None = None
    ) -> tuple[float, Array]:
        """The loss and its gradient with respect to the prediction.

        Args:
            prediction: (rows, outputs).
            target: of the same shape, or as the loss says; (rows,) for (rows, 1); for `CrossEntropy` and `Focal` also
                integer labels (rows,); a loss of your own also takes a dict or tuple of arrays, or None.
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

    def __call__(self, prediction: Any, target: Any = None, sample_weight: ArrayLike | None = None) -> _core.Tensor:
        """The loss as a tensor of one number: to differentiate by `backward`, or within a function that is transformed.

        Args:
            prediction: a tensor, (rows, outputs): eager, as a model gives it, or of a function that is traced; or an
                array of numbers, whose loss is a number that nothing is differentiated by.
            target: an array or a tensor, as for `value_and_grad`; of a loss of your own in any form.
            sample_weight: (rows,).

        Raises:
            TypeError: if the prediction is no array of numbers, or one beside a target that is a tensor: the prediction
                comes first.
            ValueError: if shapes do not fit. Values are looked at where they are known: in a function that is traced,
                labels are checked when it runs.

        Example:
            >>> import backpass as bp
            >>> import numpy as np
            >>> prediction = bp.tensor([[0.5]], requires_grad=True)
            >>> bp.HalfMSE()(prediction, [[1.0]]).backward()
            >>> prediction.grad.tolist()
            [[-0.5]]
            >>> bp.grad(lambda w, x, y: bp.HalfMSE()(x @ w, y))(np.ones((1, 1)), np.ones((1, 1)), np.zeros(1)).item()
            1.0
        """
        prediction = self._with_values(prediction, target)
        parts = prediction if isinstance(prediction, (list, tuple)) else [prediction]
        if self._composes:
            return called(self, prediction, target, sample_weight)
        given = [*parts, *(each for each in (target, sample_weight) if isinstance(each, _core.Tensor))]
        if all(each.is_eager for each in given):
            return _core.eager_loss(lasting(self), prediction, target, sample_weight)
        return composed(self._native, prediction, target, sample_weight)

    def _with_values(self, prediction: Any, target: Any) -> Any:
        """The prediction as a tensor, or a list of them; arrays become eager tensors."""
        if isinstance(prediction, _core.Tensor):
            return prediction
        if isinstance(prediction, (list, tuple)) and any(
            isinstance(part, _core.Tensor) or self.joint for part in prediction
        ):
            return [self._with_values(part, target) for part in prediction]
        if isinstance(target, _core.Tensor):
            raise TypeError(
                f"[{type(self).__name__}] the prediction comes first, then the target: got an array, then a tensor; "
                "bp.tensor(array) makes a prediction of an array"
            )
        elements = _core.numbers(prediction, type(self).__name__, "prediction")
        is_double = hasattr(prediction, "__array__") and elements.dtype == np.float64
        return _core.tensor(elements, "float64" if is_double else "float32", False)

    @property
    def _composes(self) -> bool:
        """Whether it is written by its user, of operations."""
        cls = type(self)
        return cls.value_and_grad is Loss.value_and_grad and cls.forward is not Loss.forward

    def forward(self, prediction: Any, target: Any) -> _core.Tensor:
        """Your own loss as a tensor: one number, or one per row or element, whose mean is taken."""
        raise NotImplementedError(f"[{type(self).__name__}] a loss of your own needs forward or value_and_grad")

    def target_shape(self, prediction: Shape) -> Shape:
        """The shape of targets, from that of the prediction: (None, ...), where the first dimension is the batch."""
        return prediction

    @property
    def _function(self) -> Callable[..., Any]:
        """What composes the loss."""
        return self.forward

    @property
    def _native(self) -> _core.Loss:
        cls = type(self)
        if cls.value_and_grad is not Loss.value_and_grad:
            return _host_loss(self)
        if cls.forward is not Loss.forward:
            return _composed_loss(cls.__name__, self._function, self)
        raise NotImplementedError(f"[{cls.__name__}] a loss of your own needs forward or value_and_grad")

    def __repr__(self) -> str:
        missing = object()
        changed = [f"{k}={v!r}" for k, v in vars(self).items() if v != getattr(type(self), k, missing)]
        return f"{type(self).__name__}({', '.join(changed)})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).values()))


class JointLoss(Loss):
    """One loss of all outputs of a model: it gets a list of predictions, and targets in whatever form they are given.

    Args:
        function: of (predictions, target), which composes operations; also `x`, as for every `Loss`. Or subclass and
            define `forward(predictions, target)`.

    Example:
        >>> import backpass as bp
        >>> @bp.JointLoss
        ... def apart(predictions, target):
        ...     mean, log_scale = predictions
        ...     return bp.square((target - mean) * bp.exp(-log_scale)) * 0.5 + log_scale
        >>> x = bp.Input(2)
        >>> model = bp.Network(x, [bp.Dense(1)(x), bp.Dense(1)(x)], seed=0)
        >>> bp.gradcheck(model, apart, [[1.0, 2.0], [0.5, -1.0]], [[0.5], [1.0]]) < 1e-6
        True
    """

    joint = True

    def __init__(self, function: Callable[..., Any] | None = None) -> None:
        if function is not None:
            if not callable(function):
                raise TypeError(f"[JointLoss] function must compose a loss, got {function!r}")
            self.function = function

    def forward(self, predictions: Any, target: Any) -> _core.Tensor:
        """The loss as a tensor, of a list of predictions."""
        return self._function(predictions, target)  # type: ignore[no-any-return]

    @property
    def _function(self) -> Callable[..., Any]:
        if type(self).forward is not JointLoss.forward:
            return self.forward
        if "function" not in vars(self):
            raise NotImplementedError("[JointLoss] needs a function, or a subclass with forward")
        return self.function


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
    joint = bool(getattr(loss, "joint", False))
    return _core.python_loss(
        name, _told_settings(loss), takes_labels, joint, output_kind, build, _own_target_shape(loss)
    )


def _composed_loss(name: str, function: Callable[..., Any], loss: Any) -> _core.Loss:
    def build(
        predictions: list[_core.Tensor], target: Any, inputs: list[_core.Tensor], weight: _core.Tensor | None
    ) -> _core.Tensor:
        prediction = predictions if getattr(loss, "joint", False) else predictions[0]
        given = (prediction,) if target is None else (prediction, target)
        value = function(*given, **_inputs_for(name, function, len(given), inputs))
        if not isinstance(value, _core.Tensor):
            raise TypeError(f"[{name}] must give a tensor, got {type(value).__name__}")
        if value.shape == () and weight is not None:
            raise ValueError(f"[{name}] gives one number: to take sample_weight it must give one per row")
        return value

    return _python_loss(loss, name, build)


def looks_further(loss: Any, target: Any) -> bool:
    """Whether a loss sees more than one prediction and its targets: all outputs, or the inputs."""
    if getattr(loss, "joint", False):
        return True
    function = loss._function if isinstance(loss, Loss) else loss
    return callable(function) and takes_inputs(function, 1 if target is None else 2)


def takes_inputs(function: Callable[..., Any], count: int) -> bool:
    """Whether it has a parameter `x` behind the first `count`."""
    try:
        return "x" in list(inspect.signature(function).parameters)[count:]
    except (TypeError, ValueError):  # of what has no signature
        return False


def _inputs_for(name: str, function: Callable[..., Any], count: int, inputs: list[_core.Tensor]) -> dict[str, Any]:
    if not takes_inputs(function, count):
        return {}
    if not inputs:
        raise ValueError(f"[{name}] looks at x, which only a model has: ask value_and_grad of the model")
    return {"x": inputs[0] if len(inputs) == 1 else inputs}


class _HostLoss:
    """One use of a loss that NumPy computes; it keeps the gradient from the value's call for the gradient's."""

    def __init__(self, loss: Any, predictions: int, target: Any) -> None:
        self.loss, self.predictions, self.target = loss, predictions, target
        self.joint = bool(getattr(loss, "joint", False))
        self.grads: list[Any] = []
        self.name = type(loss).__name__

    def value(self, *arrays: Array) -> Array:
        first, rest = list(arrays[: self.predictions]), list(arrays[self.predictions :])
        target = _like(self.target, rest)
        value, grad = self.loss.value_and_grad(first if self.joint else first[0], target, *rest)
        grads = grad if self.joint else [grad]
        if len(grads) != self.predictions:
            raise ValueError(f"[{self.name}] must give {self.predictions} gradients, got {len(grads)}")
        self.grads = [_core.numbers(each, self.name, "its gradient") for each in grads]
        return np.asarray(_checks.number(self.name, "its value", value))

    def gradient(self, grad: Array, *arrays: Array) -> tuple[Array | None, ...]:
        return (*(each * grad for each in self.grads), *(None for _ in arrays[self.predictions :]))


def _parts(target: Any) -> list[Any]:
    if target is None:
        return []
    if isinstance(target, dict):
        return list(target.values())
    return list(target) if isinstance(target, tuple) else [target]


def _like(target: Any, arrays: list[Any]) -> Any:
    """The first of these arrays in the form of the targets; they are taken away."""
    taken = [arrays.pop(0) for _ in _parts(target)]
    if isinstance(target, dict):
        return dict(zip(target, taken, strict=True))
    return tuple(taken) if isinstance(target, tuple) else taken[0] if taken else None


def _host_loss(loss: Any) -> _core.Loss:
    name = type(loss).__name__

    def build(
        predictions: list[_core.Tensor], target: Any, inputs: list[_core.Tensor], weight: _core.Tensor | None
    ) -> _core.Tensor:
        use = _HostLoss(loss, len(predictions), target)
        tensors = [*predictions, *_parts(target), *([] if weight is None else [weight])]
        return _core.host_call(name, use.value, use.gradient, tensors, ())

    return _python_loss(loss, name, build)
