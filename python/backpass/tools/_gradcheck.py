"""Checks of gradients, and products with the Hessian."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self, overload
from weakref import WeakKeyDictionary

import numpy as np

from backpass import _checks, _core
from backpass.functions import _jacobians
from backpass.losses._loss import looks_further, native_loss, native_losses, resolved
from backpass.training._backprop import by_name, checked_list

if TYPE_CHECKING:
    from backpass._types import Array, ArrayLike, Targets
    from backpass.losses._loss import AnyLoss
    from backpass.models._network import Network

# Central differences lose about eps / h to rounding and, extrapolated, h^4 to truncation. The smaller steps serve
# only coordinates where a kink lies within the larger ones.
STEPS = (1e-3, 1e-4, 1e-5)
GOOD_ENOUGH = 1e-8


class GradientError(float):
    """The worst relative error that `gradcheck` found; `where` says at which number: "0.weight[1, 2]", "x[0, 3]".

    Example:
        >>> import backpass as bp
        >>> bp.GradientError(1e-9, "0.weight[1, 2]")
        1e-09 at 0.weight[1, 2]
    """

    where: str

    def __new__(cls, error: float, where: str) -> Self:
        self = super().__new__(cls, error)
        self.where = where
        return self

    def __repr__(self) -> str:
        return f"{float(self):.3g} at {self.where}"


def gradcheck(model: Network, loss: AnyLoss, x: ArrayLike, y: Targets) -> GradientError:
    """The worst relative error of the gradients, against central differences in float64.

    Every parameter and every element of x is moved up and down by h and by h / 2; Richardson's extrapolation
    (4 D(h/2) - D(h)) / 3 removes the error of order h^2. The gradient under test takes the route of training by hand:
    `model.forward`, `loss.value_and_grad`, `model.backward`. Dropout masks stay the same throughout. A loss that looks
    at more than one prediction and one array of targets is checked as `model.value_and_grad` has it: all parameters,
    not x.

    Args:
        model: a model; one in float32 is checked as a copy in float64. Its parameters and gradients are left as
            they were.
        loss: a built-in loss or your own, or one for each output; any object with `value_and_grad(prediction, target)`.
        x: (rows, *input_shape); a few rows are enough.
        y: targets, as the loss wants them.

    Returns:
        max |g - d| / max(|g|, |d|, 1 % of the largest |g|), a float that also tells `where`. Below 1e-6 the gradients
        are right; a wrong sign or factor nearly always gives more than 0.01.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.Dense(3, activation="tanh"), bp.Dense(2), input_shape=4, seed=0)
        >>> bp.gradcheck(model, bp.CrossEntropy(), [[0.1, 0.2, 0.3, 0.4]], [1]) < 1e-7
        True
    """
    with _checks.model("gradcheck", model)._built_for(x, "gradcheck") as native:
        subject = _subject(model, native, loss, x, y)
    kept = subject.model.flat_parameters.copy(), subject.model.flat_gradients.copy()
    try:
        return subject.worst_error()
    finally:
        subject.model.flat_parameters[:], subject.model.flat_gradients[:] = kept


def _subject(model: Network, native: _core.Network, loss: AnyLoss, x: ArrayLike, y: Any) -> _Subject:
    from backpass.models._network import Network

    double = model if native.dtype == "float64" else Network._of(native.clone("float64"))
    alone = not isinstance(loss, (list, tuple))
    return (_Whole if alone and looks_further(loss, y) else _Subject)(double, loss, x, y)


class _Subject:
    """A model in float64 with one batch of data."""

    def __init__(self, model: Network, loss: AnyLoss, x: ArrayLike, y: Any) -> None:
        self.model = model
        inputs, outputs = model._built().graph.inputs, model._built().graph.outputs
        several = by_name("gradcheck", x, inputs) if isinstance(x, dict) else x
        parts = [x] if len(inputs) == 1 and several is x else list(several)
        self.names = [tensor.name for tensor in inputs]
        self.arrays = [_rows(part, tensor) for part, tensor in zip(parts, inputs, strict=True)]
        losses = list(loss) if isinstance(loss, (list, tuple)) else [loss]
        losses = losses * len(outputs) if len(losses) == 1 else losses
        self.losses = checked_list("gradcheck", "loss", losses, len(outputs))
        self.targets = [y] if len(outputs) == 1 else checked_list("gradcheck", "y", y, len(outputs))

    def forward(self) -> list[Array]:
        x = self.arrays[0] if len(self.arrays) == 1 else self.arrays
        outputs = self.model.forward(x, random_step=0)
        return outputs if isinstance(outputs, list) else [outputs]

    def value_and_grads(self) -> tuple[float, list[Array]]:
        parts = zip(self.losses, self.forward(), self.targets, strict=True)
        results = [_value_and_grad(loss, prediction, target) for loss, prediction, target in parts]
        return sum(float(value) for value, _ in results), [np.asarray(grad, dtype=np.float64) for _, grad in results]

    def value(self) -> float:
        return self.value_and_grads()[0]

    def under_test(self) -> list[tuple[str, Array, Array]]:
        """What is moved, by name, with its gradient."""
        self.model.zero_grad()
        grads = self.value_and_grads()[1]
        given = self.model.backward(grads[0] if len(grads) == 1 else grads)
        to_inputs = given if isinstance(given, list) else [given]
        parts = zip(self.names, self.arrays, to_inputs, strict=True)
        return [*self.parameters(), *(part for part in parts if part[1].dtype == np.float64)]

    def parameters(self) -> list[tuple[str, Array, Array]]:
        return [(name, self.model.parameters()[name], g.copy()) for name, g in self.model.gradients().items()]

    def worst_error(self) -> GradientError:
        under_test = self.under_test()
        floor = 0.01 * max((float(np.abs(grad).max(initial=0.0)) for _, _, grad in under_test), default=0.0)
        worst = GradientError(0.0, "")
        for name, array, grad in under_test:
            for index in np.ndindex(array.shape):
                error = _error(self.value, array, index, float(grad[index]), floor)
                if error > worst or not worst.where:
                    worst = GradientError(error, f"{name}[{', '.join(map(str, index))}]")
        return worst


class _Whole(_Subject):
    """With a loss that looks at all outputs or at x: it is asked as a part of the model."""

    def __init__(self, model: Network, loss: AnyLoss, x: ArrayLike, y: Any) -> None:
        self.model, self.x, self.y = model, x, y
        self.objective = _core.Objective(model._built(), native_losses("gradcheck", loss))

    def value(self) -> float:
        return self.objective.gradients(self.x, self.y, None, 0)

    def under_test(self) -> list[tuple[str, Array, Array]]:
        self.value()
        return self.parameters()


def _rows(given: ArrayLike, tensor: _core.Tensor) -> Array:
    """A copy to move elements of."""
    values = _core.numbers(given, "gradcheck", "x")
    if tensor.dtype != "int32":
        return np.array(values, dtype=np.float64)
    if values.dtype.kind not in "iub":
        raise TypeError(f"[gradcheck] x must hold integers for input {tensor.name!r}, got {values.dtype}")
    return np.array(values, dtype=np.int32 if values.dtype.kind == "b" else None)


def _value_and_grad(loss: Any, prediction: Array, target: ArrayLike) -> tuple[float, Any]:
    loss = resolved("gradcheck", loss)
    if hasattr(loss, "value_and_grad"):
        value, grad = loss.value_and_grad(prediction, target)
    else:
        value, grad = native_loss("gradcheck", loss).value_and_grad(prediction, target, None)
    return value, grad


def _error(value: Callable[[], float], array: Array, index: tuple[int, ...], gradient: float, floor: float) -> float:
    """The smallest relative error over the step sizes."""
    best = float("inf")
    for h in STEPS:
        difference = (4 * _central(value, array, index, h / 2) - _central(value, array, index, h)) / 3
        scale = max(abs(gradient), abs(difference), floor)
        error = abs(gradient - difference) / scale if scale != 0 else 0.0
        best = min(best, error if error == error else float("inf"))
        if best < GOOD_ENOUGH:
            break
    return best


def _central(value: Callable[[], float], array: Array, index: tuple[int, ...], h: float) -> float:
    kept = array[index]
    array[index] = kept + h
    above = value()
    array[index] = kept - h
    below = value()
    array[index] = kept
    return (above - below) / (2 * h)


# Of each model the objective whose products were asked for last: its plans are compiled once.
_objectives: WeakKeyDictionary[Any, tuple[Any, list[_core.Loss], _core.Objective]] = WeakKeyDictionary()


def _objective(model: Network, network: Any, losses: list[_core.Loss]) -> _core.Objective:
    known = _objectives.get(model)
    if known is None or known[0] is not network or [*map(id, known[1])] != [*map(id, losses)]:
        known = _objectives[model] = (network, losses, _core.Objective(network, losses))
    return known[2]


@overload
def hvp(model: Callable[..., Any]) -> Callable[..., Any]: ...
@overload
def hvp(
    model: Network, loss: AnyLoss, x: ArrayLike, y: Targets, vector: ArrayLike, *, random_step: int | None = None
) -> Array: ...
def hvp(
    model: Any, loss: Any = None, x: Any = None, y: Any = None, vector: Any = None, *, random_step: int | None = None
) -> Any:
    """The product of a Hessian with a vector, without forming the Hessian.

    It is the gradient of (gradient . vector), which the graph gives in about the time of two gradients (Pearlmutter
    1994 by reverse over reverse). What is compiled for it is kept.

    Args:
        model: a model, which is left as it was: the Hessian is that of the loss by its parameters. Or, alone, a
            function of arrays that gives one number, as `grad` takes it.
        loss: a loss.
        x: (rows, *input_shape).
        y: targets, as the loss wants them.
        vector: (n_parameters,), in the order of `flat_parameters`.
        random_step: fixes the dropout masks; None takes the next ones.

    Returns:
        (n_parameters,). Of a function f, the function g(*args, vector): its Hessian by the first argument times a
        vector of the structure of that argument.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.Dense(1, bias=False), input_shape=1, dtype="float64", seed=0)
        >>> bp.hvp(model, bp.HalfMSE(), [[3.0]], [[0.0]], [1.0])
        array([9.])
        >>> bp.hvp(lambda x: x**3)(2.0, 1.0).item()
        12.0
    """
    if loss is None and callable(model) and not hasattr(model, "_built_for"):
        return _jacobians.hvp(model)
    native = native_losses("hvp", loss)
    step = -1 if random_step is None else _checks.integer("hvp", "random_step", random_step, minimum=0)
    with _checks.model("hvp", model)._built_for(x, "hvp") as network:
        return _objective(model, network, native).hvp(x, y, vector, step)
