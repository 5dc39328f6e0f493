"""The course of a fit: weights, rows held out, batches and their order, training."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_array, check_consistent_length

from backpass._core import DivergedError
from backpass.sklearn._epochs import Best, Epochs, QuietTrainer
from backpass.sklearn._newer import Told
from backpass.sklearn._rows import Rows

NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be preprocessed."
)


def sample_weights(weight: Any, X: Any) -> Any:
    """Weights of the rows of X, checked; a number is that of all."""
    if isinstance(weight, numbers.Real):
        return np.full(X.shape[0], weight, X.dtype)
    weight = check_array(weight, ensure_2d=False, dtype=X.dtype, input_name="sample_weight")
    if weight.ndim != 1:
        raise ValueError("Sample weights must be 1D array or scalar")
    check_consistent_length(weight, X)
    if not weight.any():
        raise ValueError("sample_weight must have a weight above 0, got zeros only")
    return weight


def begin(of: Any) -> None:
    """The attributes of an estimator as before the first epoch."""
    of.n_iter_ = of.t_ = of._no_improvement_count = 0
    of.loss_curve_, of.validation_loss_curve_ = [], []
    of.validation_scores_ = [] if of.early_stopping else None
    of.best_validation_score_ = -np.inf if of.early_stopping else None
    of.best_loss_ = None if of.early_stopping else np.inf
    of._best = Best(of.network_) if of.early_stopping else None


def train(of: Any, rows: Rows, held_out: Rows | None, incremental: bool) -> None:
    """Epochs of an estimator's network: one where it is incremental, else until nothing becomes better."""
    if of.early_stopping and held_out is None:
        rows, held_out = _split(of, rows)
    trainer, batch, epochs = _trainer(of, incremental), _batch_size(of, len(rows)), 1 if incremental else of.max_iter
    told = Told(of, epochs, rows)
    of.n_iter_ = 0
    try:
        trainer.fit(
            **rows.fit_arguments(_orders(of._random_state) if of.shuffle else None, batch),
            batch_size=batch,
            epochs=epochs,
            callbacks=[Epochs(of, rows, held_out, incremental, told), *(of.callbacks or ())],
            progress=False,
            check_finite=False,
        )
    except DivergedError:
        if of._best is None:
            raise ValueError(NOT_FINITE) from None
        of.validation_scores_.append(float("nan"))
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=4)
    of.stopped_ = incremental and of._no_improvement_count > of.n_iter_no_change
    if of._best is not None and (of.stopped_ or not incremental):
        of._best.restore(of.network_)
    of._after(held_out)
    told.end()


def _split(of: Any, rows: Rows) -> tuple[Rows, Rows]:
    """Rows to train on, and those that early stopping goes by."""
    kept, held_out = train_test_split(
        np.arange(len(rows)),
        random_state=of._random_state,
        test_size=of.validation_fraction,
        stratify=of._strata(rows.y),
    )
    if len(held_out) < 2:
        raise ValueError("The validation set is too small. Increase 'validation_fraction' or the size of your dataset.")
    return rows[kept], rows[held_out]


def _trainer(of: Any, incremental: bool) -> QuietTrainer:
    """That of the last call, where this one goes on with its optimizer and plans."""
    if not incremental or not hasattr(of, "_optimizer"):
        of._optimizer = of._optimizer_for()
        vars(of).pop("_trainer", None)
    if not hasattr(of, "_trainer"):
        of._trainer = QuietTrainer(
            of.network_,
            of._head.loss,
            of._optimizer,
            loss_weights=[of._head.factor],
            weight_penalty=of._penalties(),
            threads=of.threads,
        )
    trainer: QuietTrainer = of._trainer
    return trainer


def _batch_size(of: Any, rows: int) -> int:
    if of.batch_size == "auto":
        return min(200, rows)
    if of.batch_size > rows:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=5
        )
    return min(int(of.batch_size), rows)


def _orders(random_state: Any) -> Callable[[int], Any]:
    """A function that gives the order of each epoch: that before, shuffled."""
    order: Any = None

    def next_order(rows: int) -> Any:
        nonlocal order
        shuffled = np.arange(rows)
        random_state.shuffle(shuffled)
        order = shuffled if order is None else order[shuffled]
        return order

    return next_order
