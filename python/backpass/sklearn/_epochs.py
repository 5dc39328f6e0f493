"""Epochs: the attributes that scikit-learn's networks keep of each, and when training stops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from backpass._warnings import warn_caller
from backpass.callbacks import Callback
from backpass.training import Trainer

if TYPE_CHECKING:
    from backpass.sklearn._newer import Told
    from backpass.sklearn._rows import Rows

LEAST_RATE = 1e-6  # below which an adaptive rate is not divided again


class QuietTrainer(Trainer):
    """A trainer that leaves warnings of probable mistakes to whoever calls it."""

    def _look(self, *_: Any) -> None: ...

    def _warn_of_zero_gradients(self, *_: Any) -> None: ...


class Best:
    """A copy of the weights and states that were the best so far."""

    def __init__(self, model: Any) -> None:
        self.arrays = {name: np.array(value) for name, value in {**model.parameters(), **model.states()}.items()}

    def restore(self, model: Any) -> None:
        for name, value in {**model.parameters(), **model.states()}.items():
            value[...] = self.arrays[name]


class Epochs(Callback):
    """Keeps an estimator's account of epochs, and ends training where it no longer improves.

    The rules are those of scikit-learn: the loss must fall below the best by `tol`, or the validation score rise to it,
    within `n_iter_no_change` epochs; an adaptive rate is divided by 5 instead, until it is tiny.
    """

    def __init__(self, estimator: Any, rows: Rows, held_out: Rows | None, incremental: bool, told: Told) -> None:
        self.estimator, self.held_out, self.incremental = estimator, held_out, incremental
        self.rows, self.target, self.told = len(rows), rows.y, told

    def on_epoch_begin(self, trainer: Trainer, logs: dict[str, Any]) -> None:
        """Tells those of scikit-learn."""
        self.told.begin_epoch()

    def on_epoch_end(self, trainer: Trainer, logs: dict[str, Any]) -> None:
        """Notes the losses, and decides."""
        of = self.estimator
        penalty = logs.get("weight_penalty", 0.0) + logs.get("added_loss", 0.0)
        of.loss_ = of._head.reported(logs["loss"] - penalty, self.target) + penalty
        of.n_iter_ += 1
        of.t_ += self.rows
        of.loss_curve_.append(of.loss_)
        if of.verbose:
            print(f"Iteration {of.n_iter_}, loss = {of.loss_:.8f}")
        self._count(trainer)
        _set_rate(of, trainer)
        if of._no_improvement_count > of.n_iter_no_change and self._ends(trainer):
            trainer.stop()
        elif of.n_iter_ == of.max_iter and not self.incremental:
            warn_caller(
                f"Stochastic Optimizer: Maximum iterations ({of.max_iter}) reached and the optimization hasn't "
                "converged yet.",
                ConvergenceWarning,
            )
        if self.told.end_epoch():
            trainer.stop()

    def _count(self, trainer: Trainer) -> None:
        """How many epochs have brought nothing."""
        of = self.estimator
        if self.held_out is not None:
            score, of_loss = of._validate(trainer, self.held_out)
            of.validation_loss_curve_.append(of_loss)
        if self.held_out is None or not of.early_stopping:
            worse = of.loss_ > of.best_loss_ - of.tol
            of.best_loss_ = min(of.best_loss_, of.loss_)
        else:
            worse = self._count_score(trainer, score)
        of._no_improvement_count = of._no_improvement_count + 1 if worse else 0

    def _count_score(self, trainer: Trainer, score: float) -> bool:
        of = self.estimator
        of.validation_scores_.append(score)
        if of.verbose:
            print(f"Validation score: {score:f}")
        worse = score < of.best_validation_score_ + of.tol
        if score > of.best_validation_score_:
            of.best_validation_score_ = score
            of._best = Best(trainer.model)
        return bool(worse)

    def _ends(self, trainer: Trainer) -> bool:
        """Whether training ends, where it does not improve: an adaptive rate falls first."""
        of, optimizer = self.estimator, trainer.optimizer
        what = "Validation score" if self.held_out is not None and of.early_stopping else "Training loss"
        message = f"{what} did not improve more than tol={of.tol:f} for {of.n_iter_no_change} consecutive epochs."
        ends = not of._adapts() or optimizer.learning_rate <= LEAST_RATE
        if ends:
            message += " Learning rate too small. Stopping." if of._adapts() else " Stopping."
        else:
            _change_rate(trainer, optimizer.learning_rate / 5)
            of._no_improvement_count = 0
            message += f" Setting learning rate to {optimizer.learning_rate:f}"
        if of.verbose:
            print(message)
        return ends


def _set_rate(of: Any, trainer: Trainer) -> None:
    if (rate := of._rate_after(of.t_)) is not None:
        _change_rate(trainer, rate)


def _change_rate(trainer: Trainer, rate: float) -> None:
    """A new rate; what the velocity has gathered keeps the old one, as in scikit-learn, whose velocities are steps."""
    optimizer = trainer.optimizer
    if optimizer._settings.get("momentum"):
        optimizer.slot(trainer.model, "momentum_buffer")[...] *= optimizer.learning_rate / rate
    optimizer.learning_rate = rate
