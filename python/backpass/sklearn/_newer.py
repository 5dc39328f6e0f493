"""What newer versions of scikit-learn have: callbacks, from 1.9 on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sklearn.base

try:
    from sklearn.callback import CallbackSupportMixin
    from sklearn.callback import with_callbacks as with_callbacks
except ImportError:
    BaseEstimator = sklearn.base.BaseEstimator

    def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """The method, without any."""
        return method
else:

    class BaseEstimator(CallbackSupportMixin, sklearn.base.BaseEstimator):  # type: ignore[misc, no-redef]
        """An estimator that takes callbacks of scikit-learn."""


class Told:
    """Tells callbacks of scikit-learn of a fit and of its epochs."""

    def __init__(self, estimator: Any, epochs: int, rows: Any) -> None:
        self.told = {"estimator": estimator, "X": rows.x, "y": rows.y}
        self.fit: Any = None
        self.epoch: Any = None
        if getattr(estimator, "_skl_callbacks", None) or hasattr(estimator, "_parent_callback_ctx"):
            self.fit = estimator._init_callback_context(max_subtasks=epochs)
            self.fit.call_on_fit_task_begin(**self.told)

    def begin_epoch(self) -> None:
        """Before its first batch."""
        if self.fit is not None:
            self.epoch = self.fit.subcontext(task_name="epoch")
            self.epoch.call_on_fit_task_begin(**self.told)

    def end_epoch(self) -> bool:
        """After its last; whether somebody wants no more."""
        return self.epoch is not None and bool(self.epoch.call_on_fit_task_end(**self.told))

    def end(self) -> None:
        """After the last epoch."""
        if self.fit is not None:
            self.fit.call_on_fit_task_end(**self.told)
