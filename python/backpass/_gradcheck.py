"""Checks of gradients, and products with the Hessian."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from backpass import _core
from backpass._losses import Loss, native_loss

if TYPE_CHECKING:
    from backpass._network import Network
    from backpass._types import Array, ArrayLike

# Central differences lose about eps / h to rounding and, extrapolated, h^4 to truncation. The smaller steps serve
# only coordinates where a kink lies within the larger ones.
STEPS = (1e-3, 1e-4, 1e-5)
GOOD_ENOUGH = 1e-8


class DifferentiableLoss(Protocol):
    """What `gradcheck` needs of a loss: also one of your own."""

    def value_and_grad(self, prediction: Any, target: Any) -> tuple[float, Any]:
        """The loss and its gradient with respect to the prediction."""
        ...


def gradcheck(model: Network, loss: DifferentiableLoss, x: ArrayLike, y: ArrayLike) -> float:
    """The worst relative error of the gradients, against central differences in float64.

    Every parameter and every element of x is moved up and down by h and by h / 2; Richardson's extrapolation
    (4 D(h/2) - D(h)) / 3 removes the error of order h^2. The gradient under test takes the route of training by hand:
    `model.forward`, `loss.value_and_grad`, `model.backward`. Dropout masks stay the same throughout.

    Args:
        model: a model; one in float32 is checked as a copy in float64. Its parameters and gradients are left as
            they were.
        loss: a loss, or any object with `value_and_grad(prediction, target) -> (float, array)`.
        x: (rows, *input_shape); a few rows are enough.
        y: targets, as the loss wants them.

    Returns:
        max |g - d| / max(|g|, |d|, 1 % of the largest |g|). Below 1e-6 the gradients are right; a wrong sign or
        factor gives more than 0.01 nearly always.

    Raises:
        TypeError: where the model has float32 and is not a `Sequential`.

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.Dense(3, activation="tanh"), bp.Dense(2), input_shape=4, seed=0)
        >>> bp.gradcheck(model, bp.CrossEntropy(), [[0.1, 0.2, 0.3, 0.4]], [1]) < 1e-7
        True
    """
    _core.row_shape(x, "gradcheck")  # refuses what is not numbers, which NumPy would turn into nan
    rows = np.array(x, dtype=np.float64)
    subject = _in_float64(model, rows)
    kept = subject.flat_parameters.copy(), subject.flat_gradients.copy()
    try:
        return _worst_error(subject, loss, rows, y)
    finally:
        subject.flat_parameters[:], subject.flat_gradients[:] = kept


def _in_float64(model: Network, rows: Array) -> Network:
    from backpass._sequential import Sequential

    with model._built_for(rows, "gradcheck") as native:
        if native.dtype == "float64":
            return model
    if not isinstance(model, Sequential):
        raise TypeError("[gradcheck] model must have dtype float64")
    twin = Sequential(*model.layers, input_shape=model.input_shape, seed=model.seed, dtype="float64")
    twin.flat_parameters[:] = model.flat_parameters
    return twin


def _worst_error(model: Network, loss: DifferentiableLoss, rows: Array, y: ArrayLike) -> float:
    def value() -> float:
        return float(loss.value_and_grad(model.forward(rows, random_step=0), y)[0])

    model.zero_grad()
    output = model.forward(rows, random_step=0)
    grad_rows = model.backward(np.asarray(loss.value_and_grad(output, y)[1], dtype=np.float64))
    gradient = np.concatenate([model.flat_gradients.copy(), grad_rows.ravel()])
    floor = 0.01 * float(np.abs(gradient).max(initial=0.0))
    places = [(model.flat_parameters, i) for i in range(model.n_parameters)]
    places += [(rows.reshape(-1), i) for i in range(rows.size)]
    errors = [_error(value, flat, i, g, floor) for (flat, i), g in zip(places, gradient.tolist(), strict=True)]
    return max(errors, default=0.0)


def _error(value: Callable[[], float], flat: Array, index: int, gradient: float, floor: float) -> float:
    """The smallest relative error over the step sizes."""
    best = float("inf")
    for h in STEPS:
        difference = (4 * _central(value, flat, index, h / 2) - _central(value, flat, index, h)) / 3
        scale = max(abs(gradient), abs(difference), floor)
        error = abs(gradient - difference) / scale if scale > 0 else 0.0
        best = min(best, error if error == error else float("inf"))
        if best < GOOD_ENOUGH:
            break
    return best


def _central(value: Callable[[], float], flat: Array, index: int, h: float) -> float:
    kept = flat[index]
    flat[index] = kept + h
    above = value()
    flat[index] = kept - h
    below = value()
    flat[index] = kept
    return (above - below) / (2 * h)


def hvp(
    model: Network, loss: Loss, x: ArrayLike, y: ArrayLike, vector: ArrayLike, *, random_step: int | None = None
) -> Array:
    """The Hessian of the loss by the parameters, times a vector, without ever forming the Hessian.

    It is the gradient of (gradient . vector), which the graph gives in about the time of two gradients (Pearlmutter
    1994 by reverse over reverse).

    Args:
        model: a model; it is left as it was.
        loss: a loss.
        x: (rows, *input_shape).
        y: targets, as the loss wants them.
        vector: (n_parameters,), in the order of `flat_parameters`.
        random_step: fixes the dropout masks; None takes the next ones.

    Returns:
        (n_parameters,).

    Example:
        >>> import backpass as bp
        >>> model = bp.Sequential(bp.Dense(1, bias=False), input_shape=1, dtype="float64", seed=0)
        >>> bp.hvp(model, bp.HalfMSE(), [[3.0]], [[0.0]], [1.0])
        array([9.])
    """
    native = native_loss("hvp", loss)
    step = -1 if random_step is None else random_step
    with model._built_for(x, "hvp") as network:
        return _core.hvp(network, native, x, y, vector, step)
