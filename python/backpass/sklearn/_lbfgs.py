"""The solver "lbfgs": SciPy's L-BFGS-B over losses and gradients of the core."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import minimize as scipy_minimize
from sklearn.exceptions import ConvergenceWarning

from backpass import _core
from backpass._flat import write_flat
from backpass._warnings import warn_caller
from backpass.losses._loss import native_losses

if TYPE_CHECKING:
    from backpass.sklearn._heads import Head
    from backpass.sklearn._rows import Rows


class PenalizedLoss:
    """The loss over all rows and its gradient, as functions of all parameters."""

    def __init__(self, model: Any, head: Head, rows: Rows, penalty: Any) -> None:
        self.network, self.head, self.rows = model._built(), head, rows
        self.factors = penalty / rows.total_weight  # of the squares of the parameters, halved
        self.native = _core.Objective(self.network, native_losses("fit", head.loss), [head.factor])

    def __call__(self, theta: Any) -> tuple[float, Any]:
        write_flat(self.network, theta)
        value, gradient = self._of_data()
        decay = self.factors * theta
        return value + 0.5 * float(decay @ theta), gradient + decay

    def _of_data(self) -> tuple[float, Any]:
        total, gradient = 0.0, np.zeros(self.network.n_parameters)
        for part in self.rows.chunks():
            share = part.total_weight / self.rows.total_weight
            if share > 0:
                total += share * self.native.gradients(part.x, part.y, part.weight, 0)
                gradient += share * self.network.flat_gradients
        return total, gradient


def minimize(estimator: Any, rows: Rows, penalty: Any) -> None:
    """Leaves the network of an estimator at a minimum, and notes how it got there.

    Args:
        rows: to train on.
        penalty: of the square of each parameter, halved and divided by what the rows weigh; (n_parameters,).
    """
    objective = PenalizedLoss(estimator.network_, estimator._head, rows, penalty)
    options = {"maxfun": estimator.max_fun, "maxiter": estimator.max_iter, "gtol": estimator.tol}
    start = objective.network.flat_parameters.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # where a search goes too far
        found = scipy_minimize(objective, start, jac=True, method="L-BFGS-B", options=options)
    write_flat(objective.network, found.x)
    estimator.n_iter_ = min(int(found.nit), estimator.max_iter)
    data = found.fun - 0.5 * float((objective.factors * found.x) @ found.x)
    estimator.loss_ = estimator._head.reported(data, rows.y) + found.fun - data
    if estimator.verbose:
        print(f"Iteration {estimator.n_iter_}, loss = {estimator.loss_:.8f}")
    if found.status != 0:
        warn_caller(
            f"lbfgs failed to converge after {estimator.n_iter_} iterations ({found.message}): raise max_iter or "
            "max_fun, or scale the data",
            ConvergenceWarning,
        )
