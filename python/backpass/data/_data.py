"""What fit and evaluate are given, as the core takes it: (x, y, sample_weight) or a stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from backpass import _checks
from backpass.data._streams import Stream, stream_of
from backpass.data._tables import Names, arrays_of, check_names, names_of

if TYPE_CHECKING:
    from backpass import _core
    from backpass._types import Array, ArrayLike
    from backpass.models._network import Network

Rows: TypeAlias = tuple[Any, Any, Any]


def rows_of(x: Any, y: Any, sample_weight: Any, where: str, complete: bool, epochs: int = 1) -> Rows | Stream:
    """The arrays of a call, those of tables copied, or its stream. `complete`: whether a nan in a table is refused."""
    if y is not None:
        if isinstance(x, Stream):
            raise ValueError(f"[{where}] y must not be given: the chunks of a stream hold it")
        given = {"x": x, "y": y, "sample_weight": sample_weight}
        x, y, sample_weight = (arrays_of(part, f"[{where}] {name}", complete) for name, part in given.items())
        return x, y, sample_weight
    if sample_weight is not None:
        raise ValueError(f"[{where}] sample_weight must come with the chunks of a stream")
    return stream_of(x, where, epochs)


def checked_names(model: Network, x: Any, data: Rows | Stream, where: str) -> Names:
    """The names of the columns of x, or those that the model has been trained with; ValueError where they differ."""
    given = data.names if isinstance(data, Stream) else names_of(x)
    check_names(where, model._names, given)
    names = model._names or given
    if isinstance(data, Stream):
        data.names = names  # which its chunks are held against
    return names


def parts_of(y: Any, joint: bool = False) -> dict[Any, Any] | tuple[Any, ...] | None:
    """Targets of a loss of one's own that are no single array: a dict or tuple of arrays; empty where none are."""
    if y is None:
        return ()
    if isinstance(y, dict):
        return y
    listed = isinstance(y, tuple) or (joint and isinstance(y, list))
    return tuple(y) if listed and all(map(_has_rows, y)) else None


def with_one_target(data: Rows | Stream) -> Rows | Stream:
    """With a tuple of targets in place of a list, for a loss that takes them all."""
    if isinstance(data, Stream) or not isinstance(data[1], list):
        return data
    parts = parts_of(data[1], joint=True)
    return data if parts is None else (data[0], parts, data[2])


def _has_rows(part: Any) -> bool:
    return (hasattr(part, "__array__") or hasattr(part, "__dlpack__")) and getattr(part, "ndim", 1) > 0


def labels_of(y: Any) -> Array | None:
    """Class numbers (rows,) as integers, where y holds such: a vector or a column of whole numbers of any type."""
    labels = np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "biuf":
        return None
    if labels.dtype.kind == "f" and not (np.isfinite(labels) & (labels == np.floor(labels))).all():
        return None
    return labels.astype(np.int64) if labels.dtype.kind in "bf" else labels


def row_count(x: Any, several: bool) -> int:
    """Rows of one array, or of the first of several; 0 where nobody knows."""
    first = next(iter(x.values()), ()) if isinstance(x, dict) else x[0] if several and len(x) else x
    return len(first) if hasattr(first, "__len__") else 0


def shape_giver(data: Rows | Stream, model: Network) -> ArrayLike:
    """What tells a model that is not built its input's shape."""
    if not isinstance(data, Stream):
        return data[0]
    return data.first_x() if model._native is None else None


class HeldOut:
    """What a fit validates on: data, a stream, a share of its own rows, or nothing."""

    def __init__(self, data: Any, share: float, stratify: bool) -> None:
        self._share = _checks.number("fit", "validation_split", share)
        self._stratify = _checks.flag("fit", "stratify", stratify)
        if not 0 <= self._share < 1:
            raise ValueError(f"[fit] validation_split must be at least 0 and below 1, got {self._share}")
        if self._share and data is not None:
            raise ValueError("[fit] validation_split must not be given together with validation_data")
        if self._stratify and not self._share:
            raise ValueError("[fit] stratify needs validation_split, a share of the rows to hold out")
        self._data = data if data is None or isinstance(data, Stream) or callable(data) else _triple(data)

    def check_names(self, names: Names) -> None:
        """ValueError where its columns are not those that are trained on."""
        if isinstance(self._data, tuple):
            check_names("fit", names, names_of(self._data[0]))

    def divide(
        self, data: Rows | Stream, network: _core.Network, seed: int | None, joint: bool = False
    ) -> tuple[Rows | Stream, Any]:
        """What is trained on and what is validated on."""
        if not self._share:
            return data, stream_of(self._data, "fit") if callable(self._data) else self._data
        if isinstance(data, Stream):
            raise ValueError("[fit] validation_split needs arrays; a stream takes validation_data")
        from backpass.data._split import split

        arrays = len(network.graph.inputs), 1 if joint else len(network.graph.outputs)
        return split(data, self._share, self._stratify, seed or 0, arrays)


def _triple(data: Sequence[ArrayLike]) -> Rows:
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        raise TypeError(f"[fit] validation_data must be (x, y) or (x, y, sample_weight), got {type(data).__name__}")
    return data[0], data[1], data[2] if len(data) == 3 else None
