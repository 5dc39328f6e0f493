"""Networks for tables as estimators: data frames with categories, dates and missing values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from backpass._types import Array
from backpass.sklearn._documented import documented
from backpass.tables import TableModel


@dataclass(eq=False, repr=False)
class Tabular(BaseEstimator):  # type: ignore[misc]
    """A network for a table.

    Args:
        preset: "mlp", a plain perceptron; "tabm", 32 of them that share their weights (Gorishniy et al. 2025); or
            "realmlp" with the tuned defaults of Holzmüller et al. 2024.
        hidden: units of the hidden layers, in place of the preset's.
        max_iter: the most epochs; None is the preset's: 200, or 256 of "realmlp".
        n_iter_no_change: for how many epochs the held-out rows need become no better; the best weights are kept. None
            is the preset's: 16, or of "realmlp" as many as there are.
        learning_rate_init: in place of the preset's.
        weight_decay: likewise (Loshchilov and Hutter 2019).
        dropout: likewise.
        batch_size: rows of a step; None is a sixteenth of all, at least 16 and at most 256.
        validation_fraction: the share of rows that is held out, class by class; not used where fit gets X_val, y_val.
        n_ensembles: how many networks are trained, each with other rows held out; predictions are their mean.
        categorical_features: names, or places, of columns that are categories whatever they look like.
        random_state: an integer, a RandomState or None.
        verbose: whether progress is shown.
        threads: how many; None is the default of `backpass.get_threads()`.

    Attributes:
        model_: the trained `backpass.tables.TableModel`: `est.model_.save(path)`.
        n_iter_: epochs of the longest training.
        loss_curve_: the loss of each epoch, of the first network.
        validation_loss_curve_: that of the held-out rows.
        n_features_in_: columns of X.
        feature_names_in_: their names, where X was a table with some.
    """

    preset: str = "mlp"
    hidden: Sequence[int] | None = None
    max_iter: int | None = None
    n_iter_no_change: int | None = None
    learning_rate_init: float | None = None
    weight_decay: float | None = None
    dropout: float | None = None
    batch_size: int | None = None
    validation_fraction: float = 0.15
    n_ensembles: int = 1
    categorical_features: Sequence[Any] | None = None
    random_state: Any = None
    verbose: bool = False
    threads: int | None = None

    def _train(self, X: Any, y: Array, task: str, weight: Any, validation: tuple[Any, Array] | None) -> None:
        if len(y) < 2:
            raise ValueError(f"[{type(self).__name__}] n_samples=1: there must be rows to train on and to end by")
        table = self._table(X)
        self.model_ = TableModel(
            self.preset,
            hidden=self.hidden,
            epochs=self.max_iter,
            patience=self.n_iter_no_change,
            learning_rate=self.learning_rate_init,
            weight_decay=self.weight_decay,
            dropout=self.dropout,
            batch_size=self.batch_size,
            validation_fraction=self.validation_fraction,
            n_ensembles=self.n_ensembles,
            categorical=self._categorical(list(table)),
            seed=int(check_random_state(self.random_state).randint(2**31 - 1)),
            threads=self.threads,
        )
        held_out = None if validation is None else (self._table(validation[0]), validation[1])
        self.model_.fit(table, y, task=task, sample_weight=weight, validation=held_out, progress=bool(self.verbose))
        histories = self.model_.histories
        self.n_iter_ = max(len(history["loss"]) for history in histories)
        self.loss_curve_ = list(histories[0]["loss"])
        self.validation_loss_curve_ = list(histories[0]["val_loss"])

    def _validated(self, X: Any, *, reset: bool) -> Any:
        """A frame as it is; anything else as an array of numbers or objects."""
        if _is_frame(X):
            validate_data(self, X, reset=reset, skip_check_array=True)
            if not len(X):
                raise ValueError(f"[{type(self).__name__}] Found array with 0 sample(s): X has no rows")
            return X
        return validate_data(
            self, X, reset=reset, dtype=None, ensure_all_finite="allow-nan", accept_sparse=False, order="C"
        )

    def _table(self, X: Any) -> dict[str, Any]:
        from backpass.tables._frames import columns_of

        if _is_frame(X):
            return columns_of(type(self).__name__, X)
        return {f"x{i}": X[:, i] for i in range(X.shape[1])}

    def _categorical(self, names: list[str]) -> list[str] | None:
        if self.categorical_features is None:
            return None
        return [names[each] if isinstance(each, (int, np.integer)) else str(each) for each in self.categorical_features]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.non_deterministic = False
        return tags


def _is_frame(X: Any) -> bool:
    return not sparse.issparse(X) and hasattr(X, "columns") and hasattr(X, "__getitem__")


def _weights(weight: Any, X: Any) -> Array | None:
    if weight is None:
        return None
    checked: Array = _check_sample_weight(weight, np.empty((len(X), 1)), ensure_non_negative=True)
    return checked


@documented
@dataclass(eq=False, repr=False)
class TabularClassifier(ClassifierMixin, Tabular):  # type: ignore[misc]
    """A classifier for data frames as they are: categories, dates, missing values.

    Args:
        class_weight: {class: weight}, or "balanced": rows / (classes * rows of the class). It multiplies sample_weight.

    Attributes:
        classes_: the labels, sorted.

    Example:
        >>> from backpass.sklearn import TabularClassifier
        >>> from sklearn.datasets import load_breast_cancer
        >>> X, y = load_breast_cancer(as_frame=True, return_X_y=True)
        >>> model = TabularClassifier(random_state=0).fit(X[:400], y[:400])
        >>> bool(model.score(X[400:], y[400:]) > 0.9)
        True
    """

    class_weight: Any = None

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None) -> Any:
        """Trains on a table X and labels y (rows,).

        Args:
            X: a data frame, or an array (rows, columns), with nan or None for what is missing.
            y: labels of any type.
            sample_weight: (rows,).
            X_val: rows by which training ends, in place of a share of X.
            y_val: their labels.
        """
        X = self._validated(X, reset=True)
        labels = self._labels(X, y)
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"[{type(self).__name__}] y has one class only, {self.classes_[0]!r}; there must be two")
        weight = _weights(sample_weight, X)
        if self.class_weight is not None:
            by_class = compute_sample_weight(self.class_weight, labels)
            weight = by_class if weight is None else weight * by_class
        validation = None
        if X_val is not None:
            validation = self._validated(X_val, reset=False), np.searchsorted(self.classes_, column_or_1d(y_val))
        self._train(X, codes, "classification", weight, validation)
        return self

    def _labels(self, X: Any, y: Any) -> Array:
        if y is None:
            raise ValueError(f"[{type(self).__name__}] requires y to be passed, but the target y is None")
        labels: Array = column_or_1d(y, warn=True)
        if len(labels) != len(X):
            raise ValueError(f"[{type(self).__name__}] inconsistent numbers of samples: X {len(X)}, y {len(labels)}")
        return labels

    def predict_proba(self, X: Any) -> Array:
        """How likely each class is: (rows, classes), in the order of `classes_`."""
        check_is_fitted(self)
        table = self._table(self._validated(X, reset=False))
        return self.model_.predict_probabilities(table).astype(np.float64)

    def predict(self, X: Any) -> Array:
        """The likeliest class of each row: (rows,)."""
        p = self.predict_proba(X)
        labels: Array = self.classes_[p.argmax(axis=1)]
        return labels


@documented
@dataclass(eq=False, repr=False)
class TabularRegressor(RegressorMixin, Tabular):  # type: ignore[misc]
    """A regressor for data frames as they are: categories, dates, missing values.

    Example:
        >>> from backpass.sklearn import TabularRegressor
        >>> from sklearn.datasets import load_diabetes
        >>> X, y = load_diabetes(as_frame=True, return_X_y=True, scaled=False)
        >>> model = TabularRegressor(random_state=0).fit(X[:300], y[:300])
        >>> model.predict(X[300:]).shape
        (142,)
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None) -> Any:
        """Trains on a table X and numbers y (rows,).

        Args:
            X: a data frame, or an array (rows, columns), with nan or None for what is missing.
            y: numbers.
            sample_weight: (rows,).
            X_val: rows by which training ends, in place of a share of X.
            y_val: their numbers.
        """
        X = self._validated(X, reset=True)
        if y is None:
            raise ValueError(f"[{type(self).__name__}] requires y to be passed, but the target y is None")
        numbers = self._numbers(y)
        if len(numbers) != len(X):
            raise ValueError(f"[{type(self).__name__}] inconsistent numbers of samples: X {len(X)}, y {len(numbers)}")
        validation = None if X_val is None else (self._validated(X_val, reset=False), self._numbers(y_val))
        self._train(X, numbers, "regression", _weights(sample_weight, X), validation)
        return self

    def _numbers(self, y: Any) -> Array:
        y = np.asarray(y)
        if y.dtype.kind == "c":
            raise ValueError(f"[{type(self).__name__}] Complex data not supported: y")
        numbers: Array = column_or_1d(y, warn=True).astype(np.float64)
        if not np.isfinite(numbers).all():
            raise ValueError(f"[{type(self).__name__}] Input y contains NaN or infinity")
        return numbers

    def predict(self, X: Any) -> Array:
        """The number of each row: (rows,)."""
        check_is_fitted(self)
        table = self._table(self._validated(X, reset=False))
        return self.model_.predict(table).astype(np.float64)

    def predict_interval(self, X: Any, coverage: float = 0.9) -> Array:
        """Where numbers lie with a probability of `coverage`, by the errors on held-out rows: (rows, 2)."""
        check_is_fitted(self)
        table = self._table(self._validated(X, reset=False))
        return self.model_.predict_interval(table, coverage).astype(np.float64)
