"""Regressors: what they learn of numbers, and what they predict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.metaestimators import available_if

from backpass.sklearn._estimator import Estimator
from backpass.sklearn._heads import Numbers, of_numbers
from backpass.sklearn._newer import with_callbacks


@dataclass(kw_only=True, eq=False, repr=False)
class Regressor(RegressorMixin, Estimator):  # type: ignore[misc]
    """Numbers, one or several for each row.

    Args:
        loss: "squared_error" (halved), "poisson" (of rates, by a logarithm), "quantile", "gaussian" (mean and
            variance), or a loss of `backpass` for estimates of the targets, or its name, such as "huber".
        quantiles: which are trained under loss="quantile", rising.
    """

    loss: Any = "squared_error"
    quantiles: Any = (0.05, 0.5, 0.95)

    _numeric: ClassVar[bool] = True

    @with_callbacks
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Any:
        """Trains on X (rows, features), an array or a sparse matrix, and numbers y: (rows,) or (rows, columns).

        Args:
            X: rows of numbers.
            y: targets.
            sample_weight: (rows,).
            X_val: rows that early stopping goes by, and `validation_loss_curve_`, in place of a share of X.
            y_val: their targets.
            sample_weight_val: their weights.

        Returns:
            The estimator.

        Raises:
            ValueError: if data or a parameter does not fit, or weights do not stay finite.
        """
        return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))

    @available_if(lambda estimator: estimator._makes_steps())
    @with_callbacks
    def partial_fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Any:
        """Goes through X and y once, from the weights and the optimizer of now.

        With early_stopping=True it needs X_val and y_val. Where their score has not improved for more than
        `n_iter_no_change` calls, it puts the best weights back and sets `stopped_`.

        Args:
            X: rows of numbers.
            y: their targets.
            sample_weight: (rows,).
            X_val: rows to validate by.
            y_val: their targets.
            sample_weight_val: their weights.

        Returns:
            The estimator.

        Raises:
            ValueError: if data or a parameter does not fit, or weights do not stay finite.
        """
        return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val), incremental=True)

    def _learn(self, y: Any) -> None:
        self.n_outputs_ = 1 if y.ndim == 1 else y.shape[1]
        self._head: Numbers = of_numbers(type(self).__name__, self.loss, self.n_outputs_, self.quantiles)
        self.out_activation_ = self._head.out_activation

    def _encode(self, y: Any, dtype: Any) -> Any:
        target = np.asarray(y, dtype)
        target = target[:, None] if y.ndim == 1 else target
        if target.shape[1] != self.n_outputs_:
            raise ValueError(f"y must have {self.n_outputs_} columns, as before, got {target.shape[1]}")
        return target

    def _score_of(self, target: Any, outputs: Any, weight: Any) -> float:
        return r2(target, self._head.estimates(outputs), weight)

    def predict(self, X: Any) -> Any:
        """The estimates for rows: (rows,), or (rows, columns) of several; of quantiles the median."""
        outputs = self._outputs_for(X)
        return _flat(self._head.estimates(outputs))

    def predict_quantiles(self, X: Any, quantiles: Any = None) -> Any:
        """Quantiles of the targets of rows, under loss="quantile" or loss="gaussian".

        Args:
            X: rows.
            quantiles: which; None are those of the parameter. Between those of loss="quantile" it interpolates.

        Returns:
            (rows, quantiles), or (rows, quantiles, columns) of several columns.

        Raises:
            ValueError: if the loss gives none, or one is beyond those that were trained.
        """
        outputs = self._outputs_for(X)
        asked = self.quantiles if quantiles is None else quantiles
        return _flat(np.stack([self._head.at(outputs, round(float(q), 12)) for q in asked], axis=1))

    def predict_interval(self, X: Any, coverage: float = 0.9) -> Any:
        """Where targets lie with a probability of `coverage`: (rows, 2), or (rows, 2, columns) of several columns."""
        return self.predict_quantiles(X, [(1 - coverage) / 2, (1 + coverage) / 2])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _flat(values: Any) -> Any:
    """Without the last axis, where there is one column."""
    return values[..., 0] if values.shape[-1] == 1 else values


def r2(target: Any, estimates: Any, weight: Any) -> float:
    """The mean over columns of R2, as scikit-learn defines it, without its checks: it is asked for after each epoch."""
    rows = np.ones((len(target), 1)) if weight is None else weight[:, None]
    around = target - (rows * target).sum(axis=0) / rows.sum()
    missed, total = (rows * (target - estimates) ** 2).sum(axis=0), (rows * around**2).sum(axis=0)
    constant = np.where(missed > 0, 0.0, 1.0)  # of a column that has nothing to explain
    return float(np.where(total > 0, 1 - missed / np.where(total > 0, total, 1), constant).mean())
