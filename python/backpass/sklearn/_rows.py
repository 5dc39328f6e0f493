"""Rows: validated data as training and prediction take it, dense or sparse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from backpass.data import Stream

DENSE = 1 << 24  # elements up to which a sparse matrix is made dense at once
CHUNK = 1 << 20  # elements of a part of a larger one


def dense(x: Any) -> Any:
    """A small sparse matrix as an array; arrays as they are."""
    return x.toarray() if sparse.issparse(x) and x.shape[0] * x.shape[1] <= DENSE else x


@dataclass
class Rows:
    """Inputs, encoded targets and weights of some rows.

    Attributes:
        x: (rows, features), an array or, where it is large, a sparse matrix.
        y: (rows,) or (rows, columns).
        weight: (rows,) or None.
    """

    x: Any
    y: Any
    weight: Any = None

    def __len__(self) -> int:
        return int(self.x.shape[0])

    def __getitem__(self, places: Any) -> Rows:
        return Rows(self.x[places], self.y[places], None if self.weight is None else self.weight[places])

    @property
    def total_weight(self) -> float:
        return float(len(self) if self.weight is None else self.weight.sum())

    def chunks(self, order: Any = None, batch_size: int = 1) -> Iterator[Rows]:
        """All rows, in an order, as arrays of some batches."""
        if not sparse.issparse(self.x) and order is None:
            yield self
            return
        places = np.arange(len(self)) if order is None else order
        step = max(1, CHUNK // (self.x.shape[1] * batch_size)) * batch_size
        for begin in range(0, len(self), step):
            part = self[places[begin : begin + step]]
            yield Rows(part.x.toarray() if sparse.issparse(part.x) else part.x, part.y, part.weight)

    def fit_arguments(self, order: Callable[[int], Any] | None, batch_size: int) -> dict[str, Any]:
        """What `Trainer.fit` takes of them; `order` gives that of each epoch."""
        if not sparse.issparse(self.x):
            return {"x": self.x, "y": self.y, "sample_weight": self.weight, "shuffle": order or False}
        n = len(self)

        def epoch() -> Iterator[tuple[Any, Any, Any]]:
            for part in self.chunks(order(n) if order else np.arange(n), batch_size):
                yield part.x, part.y, part.weight

        return {"x": Stream(epoch), "shuffle": False}


def in_chunks(predict: Callable[[Any], Any], x: Any) -> Any:
    """The predictions for rows of x, which may be sparse."""
    if not sparse.issparse(x):
        return predict(x)
    return np.concatenate([predict(part.x) for part in Rows(x, np.empty(x.shape[0])).chunks()])
