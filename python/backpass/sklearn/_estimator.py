"""What all estimators share: parameters of training, validated data, predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.validation import check_is_fitted, validate_data

from backpass.callbacks import Callback
from backpass.losses import Penalty
from backpass.sklearn._fitting import NOT_FINITE, begin, sample_weights, train
from backpass.sklearn._heads import Head
from backpass.sklearn._newer import BaseEstimator
from backpass.sklearn._parameters import check_parameters
from backpass.sklearn._rows import Rows, dense, in_chunks


@dataclass(kw_only=True, eq=False, repr=False)
class Estimator(BaseEstimator):  # type: ignore[misc]
    """The base of all: parameters of training, and the course of a fit. Subclasses say what is trained, and how.

    Args:
        batch_size: rows of a step; "auto" is 200, or all where there are fewer.
        max_iter: the most epochs (of "lbfgs": iterations).
        shuffle: whether each epoch takes the rows in another order.
        random_state: an integer, a RandomState or None: of initial weights, order, dropout and rows held out.
        tol: by how much the loss must fall, or the validation score rise, to count as better.
        verbose: whether the loss of each epoch is printed.
        warm_start: whether fit goes on from the weights of the last one.
        early_stopping: whether rows are held out, by whose score training ends; the best weights are kept.
        validation_fraction: the share of these rows, class by class; not used where fit gets X_val and y_val.
        n_iter_no_change: for how many epochs nothing need become better.
        callbacks: `backpass.Callback`s that are called at the boundaries of training. Those of scikit-learn (1.9 and
            later) are set by `set_callbacks`; they are told of each epoch.
        dtype: "float32" or "float64" of weights and arithmetic; "auto" is that of X, and float64 for all other types.
        precision: of float32 products: "highest", "high" or "medium", as `backpass.Sequential` takes it.
        threads: how many; None is the default of `backpass.get_threads()`, less where estimators share the cores.

    Attributes:
        network_: the trained model of `backpass`: `est.network_.save(path)`.
        loss_: the loss of the last epoch, penalty included, mean over batches.
        loss_curve_: that of each epoch.
        best_loss_: the least of them; None with early_stopping.
        validation_scores_: with early_stopping, the score of each epoch: accuracy, or R2.
        best_validation_score_: the greatest of them.
        validation_loss_curve_: the loss of the held-out rows after each epoch, without penalty.
        n_iter_: epochs of the last fit, or iterations.
        t_: rows trained on so far.
        n_outputs_: columns of the target as the network sees it.
        out_activation_: what makes predictions of the outputs: "logistic", "softmax", "identity" or "exp".
        n_features_in_: columns of X.
        feature_names_in_: their names, where X was a table with some.
        stopped_: whether partial_fit has stopped early.
    """

    batch_size: int | str = "auto"
    max_iter: int = 200
    shuffle: bool = True
    random_state: Any = None
    tol: float = 1e-4
    verbose: bool | int = False
    warm_start: bool = False
    early_stopping: bool = False
    validation_fraction: float = 0.1
    n_iter_no_change: float = 10
    callbacks: Sequence[Callback] | None = None
    dtype: str = "auto"
    precision: str = "highest"
    threads: int | None = None

    _numeric: ClassVar[bool]  # whether targets are numbers
    _head: Head = field(init=False)

    # What subclasses say.

    def _build(self, features: int, dtype: str) -> None:
        """Makes `network_` with fresh weights."""
        raise NotImplementedError

    def _optimizer_for(self) -> Any:
        """A fresh optimizer."""
        raise NotImplementedError

    def _penalties(self) -> list[Penalty]:
        """Terms of the loss by weights."""
        return []

    def _learn(self, y: Any) -> None:
        """Sets what a first fit learns of y: `_head`, classes."""
        raise NotImplementedError

    def _encode(self, y: Any, dtype: Any) -> Any:
        """y as the network takes it."""
        raise NotImplementedError

    def _check_same(self, y: Any) -> None:
        """Refuses y where a warm start cannot go on with it."""

    def _score_of(self, target: Any, outputs: Any, weight: Any) -> float:
        """What early stopping goes by."""
        raise NotImplementedError

    def _makes_steps(self) -> bool:
        """Whether there is a partial_fit; else raises AttributeError."""
        return True

    def _adapts(self) -> bool:
        """Whether the rate is divided, where training would end."""
        return False

    def _rate_after(self, rows: int) -> float | None:
        """The rate after as many rows, where it is this class that sets it."""
        return None

    def _strata(self, target: Any) -> Any:
        """Classes by which rows are held out, or None."""
        return None

    def _take_weights(self) -> None:
        """Puts weights into the network that were set from outside."""

    def _solve(self, rows: Rows) -> bool:
        """Whether a solver without epochs has done all; then it has noted how."""
        return False

    # The course of a fit.

    def _fit(
        self,
        X: Any,
        y: Any,
        weight: Any,
        validation: tuple[Any, Any, Any],
        incremental: bool = False,
        learned: bool = False,
    ) -> Any:
        check_parameters(self)
        if incremental and self.early_stopping and validation[0] is None:
            raise ValueError(
                "partial_fit does not support early_stopping=True without validation data, X_val and y_val"
            )
        goes_on = self._has_weights() and (self.warm_start or incremental)
        X, y = self._validated(X, y, reset=not goes_on)
        if goes_on and not incremental:
            self._check_same(y)
        elif not (goes_on or learned):
            self._learn(y)
        rows = self._rows(X, y, weight)
        self._random_state = check_random_state(self.random_state)
        if goes_on:
            self._take_weights()
        else:
            self._build(X.shape[1], X.dtype.name)
            begin(self)
        held_out = self._held_out_by_user(*validation)
        if self._solve(rows):
            self._after(held_out)
        else:
            train(self, rows, held_out, incremental)
        if not all(np.isfinite(value).all() for value in self.network_._built().parameters().values()):
            raise ValueError(NOT_FINITE)
        return self

    def _has_weights(self) -> bool:
        return hasattr(self, "network_")

    def _validated(self, X: Any, y: Any, *, reset: bool) -> tuple[Any, Any]:
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            y_numeric=self._numeric,
            dtype=self._dtypes() if reset or not hasattr(self, "network_") else np.dtype(self.network_.dtype),
            order="C",
            reset=reset,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return X.tocsr() if sparse.issparse(X) else X, y

    def _dtypes(self) -> Any:
        """Of X, and of all computation: that of float32 and float64 arrays stays."""
        return (np.float64, np.float32) if self.dtype == "auto" else np.dtype(self.dtype)

    def _rows(self, X: Any, y: Any, weight: Any) -> Rows:
        return Rows(dense(X), self._encode(y, X.dtype), self._weights(weight, X, y))

    def _weights(self, weight: Any, X: Any, y: Any) -> Any:
        """What the rows weigh: (rows,) or None."""
        return None if weight is None else sample_weights(weight, X)

    def _held_out_by_user(self, X: Any, y: Any, weight: Any) -> Rows | None:
        if X is None and y is None:
            return None
        if X is None or y is None:
            raise ValueError("X_val and y_val must be given together")
        return self._rows(*self._validated(X, y, reset=False), weight)

    def _after(self, held_out: Rows | None) -> None:
        """What follows training."""

    def _validate(self, trainer: Any, held_out: Rows) -> tuple[float, float]:
        """Score and loss of rows that are held out."""
        outputs = self._outputs(held_out.x)
        if not np.isfinite(outputs).all():
            return np.nan, np.nan
        loss = self._head.factor * trainer.loss.value_and_grad(outputs, held_out.y, held_out.weight)[0]
        return self._score_of(held_out.y, outputs, held_out.weight), self._head.reported(loss, held_out.y)

    # Predictions.

    def _outputs(self, X: Any) -> Any:
        native, threads = self.network_._built(), self.threads or 0
        return in_chunks(lambda x: native.predict(x, 0, threads), X)

    def _outputs_for(self, X: Any) -> Any:
        """Of rows that a user gives."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], dtype=(np.float64, np.float32), order="C", reset=False)
        self._take_weights()
        return self._outputs(X.tocsr() if sparse.issparse(X) else X)

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_trainer"}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
