"""Classifiers: what they learn of labels, and what they predict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if

from backpass.losses._loss import resolved
from backpass.sklearn._estimator import Estimator
from backpass.sklearn._heads import OfClasses
from backpass.sklearn._labels import Labels
from backpass.sklearn._newer import with_callbacks
from backpass.sklearn._rows import Rows


@dataclass(kw_only=True, eq=False, repr=False)
class Classifier(ClassifierMixin, Estimator):  # type: ignore[misc]
    """Classes: two, several, or several labels for each row.

    Args:
        loss: "log_loss", or a loss of `backpass` that takes logits, or its name, such as "focal".
        class_weight: {class: weight}, or "balanced": rows / (classes * rows of the class). It multiplies sample_weight.
        calibrate: whether a temperature that divides the logits is fitted to the rows held out (Guo et al. 2017).

    Attributes:
        classes_: the labels, sorted; of several at once, their columns.
        temperature_: what the logits are divided by; 1 without calibrate.
    """

    loss: Any = "log_loss"
    class_weight: Any = None
    calibrate: bool = False

    _numeric: ClassVar[bool] = False

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
        """Trains on X (rows, features), an array or a sparse matrix, and labels y (rows,), or rows of 0 and 1.

        Args:
            X: rows of numbers.
            y: labels of any type.
            sample_weight: (rows,).
            X_val: rows that early stopping goes by, and `validation_loss_curve_`, in place of a share of X.
            y_val: their labels.
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
        classes: Any = None,
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
            classes: all that there are; needed in the first call.
            X_val: rows to validate by.
            y_val: their targets.
            sample_weight_val: their weights.

        Returns:
            The estimator.

        Raises:
            ValueError: if data or a parameter does not fit, or weights do not stay finite.
        """
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight 'balanced' is not known to partial_fit: compute_class_weight of all labels is"
            )
        learned = not self._has_weights()
        if not hasattr(self, "classes_"):
            if classes is None:
                raise ValueError("classes must be passed on the first call to partial_fit.")
            self._learn(y, classes)
        elif classes is not None and not np.array_equal(self.classes_, np.unique(classes)):
            raise ValueError(
                f"`classes={classes!r}` is not the same as on last call to partial_fit, was: {self.classes_!r}"
            )
        validation = (X_val, y_val, sample_weight_val)
        return self._fit(X, y, sample_weight, validation, incremental=True, learned=learned)

    def _learn(self, y: Any, classes: Any = None) -> None:
        loss = None if self.loss == "log_loss" else resolved(type(self).__name__, self.loss)
        self._labels = labels = Labels(y, classes, loss)
        self._head: OfClasses = labels.head
        self.classes_ = labels.classes
        self.n_outputs_, self.out_activation_ = self._head.columns, self._head.out_activation

    def _check_same(self, y: Any) -> None:
        self._labels.check_equal(y)

    def _encode(self, y: Any, dtype: Any) -> Any:
        target = self._labels.encode(y)
        return target if target.ndim == 1 else target.astype(dtype)

    def _weights(self, weight: Any, X: Any, y: Any) -> Any:
        weight = super()._weights(weight, X, y)
        if self.class_weight is None:
            return weight
        by_class = compute_sample_weight(self.class_weight, y).astype(X.dtype)
        return by_class if weight is None else weight * by_class

    def _strata(self, target: Any) -> Any:
        if self._labels.several:
            return None
        if target.ndim == 2:
            return target > 0  # of two classes
        counts = np.bincount(target)
        held_out = int(np.ceil(self.validation_fraction * len(target)))
        return target if counts[counts > 0].min() > 1 and held_out >= len(counts) else None

    def _score_of(self, target: Any, outputs: Any, weight: Any) -> float:
        return self._labels.accuracy(target, outputs, weight)

    def _after(self, held_out: Rows | None) -> None:
        self.temperature_ = 1.0
        if not self.calibrate:
            return
        if held_out is None:
            raise ValueError("calibrate=True needs rows that are held out: early_stopping=True, or X_val and y_val")
        outputs, head = self._outputs(held_out.x).astype(np.float64), self._head

        def surprise(log_temperature: float) -> float:
            logits = outputs / np.exp(log_temperature)
            return float(head.loss.value_and_grad(logits, held_out.y, held_out.weight)[0])

        self.temperature_ = float(np.exp(minimize_scalar(surprise, bounds=(-3, 3), method="bounded").x))

    def predict(self, X: Any) -> Any:
        """The labels of rows: (rows,), or (rows, labels) of 0 and 1."""
        outputs = self._outputs_for(X)
        return self._labels.decide(outputs)

    def predict_proba(self, X: Any) -> Any:
        """The probabilities of classes: (rows, classes), in the order of `classes_`."""
        logits = self._tempered(X)
        return self._as_classes(self._head.probabilities(logits))

    def predict_log_proba(self, X: Any) -> Any:
        """Their logarithms."""
        logits = self._tempered(X)
        return self._as_classes(self._head.log_probabilities(logits))

    def _tempered(self, X: Any) -> Any:
        outputs, temperature = self._outputs_for(X), getattr(self, "temperature_", 1.0)
        return outputs if temperature == 1 else outputs / outputs.dtype.type(temperature)

    def _as_classes(self, both: Any) -> Any:
        return both[:, :1] if len(self.classes_) == 1 else both

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
