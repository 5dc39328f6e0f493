"""The loss of a model as a function of its parameters, for optimizers that are not ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from backpass import _core
from backpass._flat import flat_gradient, write_flat
from backpass.losses._loss import native_losses

if TYPE_CHECKING:
    from backpass._types import ArrayLike, Targets
    from backpass.losses._loss import AnyLoss
    from backpass.models._network import Network

Vector = npt.NDArray[np.float64]


class Objective:
    """The loss over some rows as a function of theta, a vector of all parameters; for `scipy.optimize.minimize`.

    The model holds the last theta that was asked for; its gradient buffer, the last gradient that was computed.
    Value and gradient at one theta cost one forward and backward run. Dropout masks stay the same, so it is a
    function. Numbers are float64 on both sides, whatever the model's dtype is.

    Attributes:
        x0: (n_parameters,), a copy of the model's parameters from the start, in the order of `flat_parameters`.
    """

    def __init__(
        self,
        model: Network,
        x: ArrayLike,
        y: Targets,
        loss: AnyLoss,
        sample_weight: ArrayLike | None = None,
    ) -> None:
        losses, self._x, self._y, self._weight = native_losses("objective", loss), x, y, sample_weight
        with model._built_for(x, "objective") as network:
            self._network = network
            model._may_be_changed()
            self._native = _core.Objective(network, losses)
            self.x0: Vector = network.flat_parameters.astype(np.float64)
            self._last = self._evaluated(self.x0.copy())  # refuses x and y that do not fit

    def fun(self, theta: ArrayLike) -> float:
        """The loss at theta, as it is in training.

        Args:
            theta: (n_parameters,).

        Raises:
            TypeError: if theta is not an array of real numbers.
            ValueError: if its shape does not fit, or a number is not finite in the model's dtype.
        """
        return self(theta)[0]

    def jac(self, theta: ArrayLike) -> Vector:
        """The gradient at theta, a fresh array (n_parameters,). Raises what `fun` does."""
        return self(theta)[1]

    def hessp(self, theta: ArrayLike, vector: ArrayLike) -> Vector:
        """The Hessian at theta times a vector, (n_parameters,); see `hvp`. Raises what `fun` does."""
        self._place(theta)
        return self._native.hvp(self._x, self._y, vector, 0, self._weight).astype(np.float64)

    def __call__(self, theta: ArrayLike) -> tuple[float, Vector]:
        """Value and gradient, for `jac=True`."""
        placed = self._place(theta)
        if not np.array_equal(placed, self._last[0]):
            self._last = self._evaluated(placed)
        return self._last[1], self._last[2].copy()

    def _place(self, theta: ArrayLike) -> Vector:
        """Writes theta into the model; returns a copy of it."""
        given, parameters = _core.numbers(theta, "objective", "theta"), self._network.flat_parameters
        if given.shape != parameters.shape:
            raise ValueError(f"[objective] theta must have shape {parameters.shape}, got {given.shape}")
        with np.errstate(over="ignore"):
            rounded = given.astype(parameters.dtype)
        if not np.isfinite(rounded).all():
            raise ValueError(f"[objective] theta has a number that is not finite as {parameters.dtype}")
        write_flat(self._network, rounded)
        return given.astype(np.float64)

    def _evaluated(self, theta: Vector) -> tuple[Vector, float, Vector]:
        """theta, and the loss and its gradient at the parameters that the model has now."""
        value = self._native.gradients(self._x, self._y, self._weight, 0)
        return theta, value, flat_gradient(self._network)
