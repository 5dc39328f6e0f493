"""The data sets of a call, as the core takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from backpass import _core
from backpass.data._class_weights import with_class_weights
from backpass.data._data import Rows, checked_names, row_count, with_one_target
from backpass.data._sets import Data, transform_of
from backpass.data._streams import Stream
from backpass.losses._loss import native_losses, native_weights
from backpass.losses._metrics import asked_metrics

if TYPE_CHECKING:
    from backpass.data._tables import Names
    from backpass.models._network import Network


class DataSets:
    """The data sets of a call."""

    def __init__(self, parts: list[Data], where: str, complete: bool, epochs: int = 1) -> None:
        self._parts = parts
        self._names = [part.name or str(index) for index, part in enumerate(parts)]
        self.rows = [part._rows(where, complete, epochs) for part in parts]

    def checked_names(self, model: Network, where: str) -> Names:
        """The names of their columns; ValueError where they differ from those of the model."""
        names = [checked_names(model, part.x, rows, where) for part, rows in zip(self._parts, self.rows, strict=True)]
        return next((given for given in names if given), None)

    def columns(self, metrics: Sequence[tuple[str, Any, str]]) -> tuple[list[str], list[str]]:
        """What a history has of losses and of metrics; `metrics`: of sets without their own."""
        several = len(self._parts) > 1
        losses = ["loss", *(f"loss_{name}" for name in self._names if several)]
        own = [
            f"{metric}_{name}" if several else metric
            for part, name in zip(self._parts, self._names, strict=True)
            for metric, *_ in (metrics if part.metrics is None else asked_metrics(part.metrics))
        ]
        return losses, own

    def native(self, losses: list[_core.Loss], network: _core.Network) -> list[tuple[Any, ...]]:
        """As the core takes them; `losses`: of sets without their own."""
        return [_native(part, rows, losses, network) for part, rows in zip(self._parts, self.rows, strict=True)]

    def rows_of_epoch(self, batch_size: int, several: bool) -> int | None:
        """Of the set with the most batches, for a bar; `several`: inputs. None where nobody knows."""
        if any(isinstance(rows, Stream) for rows in self.rows):
            return None
        counts = [(row_count(part.x, several), part.batch_size or batch_size) for part in self._parts]
        return max(counts, key=lambda count: -(-count[0] // count[1]))[0]


def _native(part: Data, rows: Rows | Stream, of_all: list[_core.Loss], network: _core.Network) -> tuple[Any, ...]:
    losses = None if part.loss is None else native_losses("Data", part.loss)
    weights = native_weights("Data", part.loss_weights)
    if weights and losses is None:
        raise ValueError("[Data] loss_weights must come with a loss")
    rows = with_class_weights(rows, part.class_weight, losses or of_all, network)
    if (losses or of_all)[0].joint:
        rows = with_one_target(rows)
    metrics = None if part.metrics is None else asked_metrics(part.metrics)
    return rows, losses, weights, part.batch_size or 0, part.weight, part.name, metrics, transform_of(part.augment)


def sets_in(x: Any, where: str) -> list[Data] | None:
    """The data sets of a call; None where x is something else.

    Raises:
        TypeError: if some are data sets and some are not.
    """
    several = isinstance(x, (list, tuple)) and len(x) > 0 and isinstance(x[0], Data)
    if not several and not isinstance(x, Data):
        return None
    parts = list(x) if several else [x]
    for part in parts:
        if not isinstance(part, Data):
            raise TypeError(f"[{where}] a list of data sets must hold Data alone, got {type(part).__name__}")
    return parts


def check_alone(where: str, **options: Any) -> None:
    """ValueError if an option is given that belongs to rows which are no data sets."""
    for name, value in options.items():
        if value is not None:
            raise ValueError(f"[{where}] {name} must not be given beside data sets: each has its own")


def data_sets(x: Any, y: Any, options: dict[str, Any], settings: dict[str, Any]) -> DataSets | None:
    """The data sets of a fit; None where x is something else.

    Raises:
        TypeError: if some are data sets and some are not.
        ValueError: if an option is given that belongs to rows.
    """
    parts = sets_in(x, "fit")
    if parts is None:
        return None
    check_alone("fit", y=y, **{name: options[name] for name in ("sample_weight", "class_weight", "augment")})
    if options["validation_split"]:
        raise ValueError("[fit] validation_split must not be given beside data sets: validation_data tells which rows")
    return DataSets(parts, "fit", settings["check_finite"], settings["epochs"])
