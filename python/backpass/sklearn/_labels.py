"""Labels: classes in any form, as a network sees them, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels

from backpass.sklearn._heads import Logistic, OfClasses, Softmax


class Labels:
    """The classes of a classifier.

    Attributes:
        classes: sorted, (n_classes,); of several labels at once, their column numbers.
        several: whether each row has several labels, as rows of 0 and 1.
        one_of_many: whether there is an output for each class.
        head: what the outputs mean.
    """

    def __init__(self, y: Any, classes: Any, loss: Any) -> None:
        check_classification_targets(y)
        kind = type_of_target(y)
        if kind == "multiclass-multioutput":
            raise ValueError("y has several columns of classes: wrap the estimator in MultiOutputClassifier")
        self.several = kind == "multilabel-indicator"
        self.classes = unique_labels(y if classes is None or self.several else classes)
        self.one_of_many = not self.several and (
            len(self.classes) > 2 or getattr(loss, "output_kind", "") == "class_logits"
        )
        self.head = self._head(loss)

    def _head(self, loss: Any) -> OfClasses:
        if self.one_of_many:
            return Softmax.of(max(2, len(self.classes)), loss)
        return Logistic.of(len(self.classes) if self.several else 1, loss)

    def encode(self, y: Any) -> Any:
        """Integers (rows,) where there is an output for each class, else 0 and 1 (rows, columns)."""
        if self.several:
            return np.asarray(y.todense() if sparse.issparse(y) else y) > 0
        flat = column_or_1d(y)
        places = np.searchsorted(self.classes, flat)
        unknown = self.classes[np.minimum(places, len(self.classes) - 1)] != flat
        if unknown.any():
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes}. "
                f"'y' has {unique_labels(flat)}."
            )
        return places.astype(np.int32) if self.one_of_many else (places == 1)[:, None]

    def check_equal(self, y: Any) -> None:
        """Raises ValueError where y has other classes, for a warm start."""
        if set(given := unique_labels(y)) != set(self.classes):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {self.classes}, `y` has {given}"
            )

    def decide(self, logits: Any) -> Any:
        """The labels that logits decide for."""
        if self.several:
            return (logits > 0).astype(int)
        if len(self.classes) == 1:
            return np.repeat(self.classes, len(logits))
        return self.classes[logits.argmax(axis=1) if self.one_of_many else (logits[:, 0] > 0).astype(int)]

    def accuracy(self, target: Any, logits: Any, weight: Any) -> float:
        """The share of rows that are right, of `encode`d targets."""
        right = logits.argmax(axis=1) == target if target.ndim == 1 else ((logits > 0) == target).all(axis=1)
        return float(np.average(right, weights=weight))
