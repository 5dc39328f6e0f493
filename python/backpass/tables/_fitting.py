"""Training the networks of a model of a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np

from backpass import _core, _functions
from backpass._types import Array
from backpass.data import Stream
from backpass.models import Network
from backpass.tables._columns import Schema, table_without
from backpass.tables._folders import ParquetFolder, Shares, target_of
from backpass.tables._frames import columns_of
from backpass.tables._intervals import kept
from backpass.tables._networks import Scaling, features, inputs, many_perceptrons, perceptron
from backpass.tables._presets import Preset
from backpass.tables._realmlp_training import build
from backpass.tables._targets import Target
from backpass.tables._ways import held_out_rows, steps_of, way_of


@dataclass
class Fit:
    """One fit, with the settings of `TableModel`: what it leaves is `schema` to `distances`, which are told there."""

    preset: Preset
    categorical: list[str] | None
    validation_fraction: float
    n_ensembles: int
    seed: int
    threads: int | None
    progress: bool | str
    callbacks: Sequence[Any]
    schema: Schema = field(init=False)
    target: Target = field(init=False)
    network: Network = field(init=False)
    histories: list[Any] = field(init=False, default_factory=list)
    distances: tuple[float, ...] = field(init=False, default=())

    def of_table(
        self, table: Any, target: Any, task: str | None, sample_weight: Any, validation: tuple[Any, ...] | None
    ) -> None:
        """Of rows in memory."""
        columns, values, name = split("fit", table, target)
        self.schema = Schema.learn(columns, self.categorical)
        self.target = Target.learn(name, values, task)
        x, y = encoded(self.schema, columns), self.target.encode(values)
        if len(y) != len(x[0]):
            raise ValueError(f"[fit] the target has {len(y)} rows, the table {len(x[0])}")
        if len(y) < 2 and validation is None:
            raise ValueError("[fit] some rows are held out, so it needs at least 2, got 1; or give validation")
        weight = None if sample_weight is None else np.asarray(sample_weight, np.float64)
        held_out = None
        if validation is not None:
            given, wanted, _ = split("fit", validation[0], validation[1] if len(validation) > 1 else name)
            held_out = encoded(self.schema, given), self.target.encode(wanted)
        scaling = Scaling.learn(self.schema.encode(columns)[0])
        members, distances = [], []
        for number in range(self.n_ensembles):
            train, other = self._parts(x, y, weight, held_out, number)
            rows = len(train[1])
            network = self._network(scaling, train, rows, self.seed + number)
            rows_given = {"x": one_or_all(train[0]), "y": self._labels(train[1]), "sample_weight": train[2]}
            self._train(network, rows_given, rows, other, self.seed + number)
            members.append(network)
            if not self.target.is_class:
                distances.append(self._distances(network, other))
        self.distances = kept(np.concatenate(distances)) if distances else ()
        self.network = self._finished(members)

    def of_folder(self, folder: ParquetFolder, target: Any, task: str | None) -> None:
        """Of rows that are read anew in each epoch."""
        if target not in folder.names:
            raise ValueError(
                f"[fit] {folder.path} has no column {target!r}; it has {', '.join(map(repr, folder.names))}"
            )
        shares = Shares.of(folder, self.validation_fraction)
        self.target = target_of(folder, target, task)
        sample, values = table_without(folder.kept(shares.sample, 1), target)
        self.schema = Schema.learn(sample, self.categorical)
        rest, wanted = table_without(folder.kept(shares.test, shares.held_out), target)
        if not len(values) or not len(wanted):
            raise ValueError(f"[fit] {folder.path}: {folder.rows} rows are too few to hold some out")
        train = encoded(self.schema, sample), self.target.encode(values)
        other = encoded(self.schema, rest), self.target.encode(wanted)
        rows = max(1, int(folder.rows * (1 - shares.held_out)))
        network = self._network(Scaling.learn(self.schema.encode(sample)[0]), train, rows, self.seed)
        epochs = count()

        def chunks() -> Iterator[tuple[Any, Any]]:
            for part in folder.passing(shares.held_out, self.seed + next(epochs)):
                columns, labels = table_without(part, target)
                yield one_or_all(encoded(self.schema, columns)), self._labels(self.target.encode(labels))

        self._train(network, {"x": Stream(chunks, buffer=4)}, rows, other, self.seed)
        self.distances = () if self.target.is_class else kept(self._distances(network, other))
        self.network = self._finished([network])

    def _labels(self, labels: Array) -> Any:
        """By name where they are of another shape than what is predicted."""
        return labels if self.preset.members == 1 else {"target": labels}

    def _places(self) -> tuple[Any, tuple[_core.Tensor, _core.Tensor]]:
        """The inputs that there are, and both."""
        both = inputs(self.schema)
        return one_or_all([both[0]] * bool(self.schema.numbers) + [both[1]] * bool(self.schema.categories)), both

    def _network(self, scaling: Scaling, train: tuple[Any, ...], rows: int, seed: int) -> Network:
        preset, outputs = self.preset, self.target.outputs
        if preset.realmlp:
            return build(self.schema, scaling, self.target, preset, train, steps_of(preset, rows), seed, self.threads)
        given, both = self._places()
        x = features(self.schema, scaling, *both)
        if preset.members == 1:
            y = perceptron(x, preset.hidden, preset.dropout, outputs)
        else:
            y = many_perceptrons(x, preset.hidden, preset.dropout, outputs, preset.members)
        return Network(given, y, seed=seed)

    def _parts(
        self, x: list[Array], y: Array, weight: Array | None, held_out: tuple[list[Array], Array] | None, number: int
    ) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Rows to train on, and rows to end by."""
        if held_out is not None:
            return (x, y, weight), held_out
        other = held_out_rows(y, self.target.is_class, self.validation_fraction, self.n_ensembles, number, self.seed)
        keep = ~other
        parts = ([a[keep] for a in x], y[keep], None if weight is None else weight[keep])
        rest = ([a[other] for a in x], y[other])
        return parts, rest if weight is None else (*rest, weight[other])

    def _train(self, network: Network, given: dict[str, Any], rows: int, other: tuple[Any, ...], seed: int) -> None:
        history = network.fit(
            **given,
            validation_data=(one_or_all(other[0]), self._labels(other[1]), *other[2:]),
            seed=seed,
            threads=self.threads,
            progress=self.progress,
            check_finite=False,  # what is missing is nan, and nothing is infinite
            **way_of(self.preset, self.target, network, rows, self.callbacks),
        )
        self.histories.append(history)

    def _distances(self, network: Network, other: tuple[Any, ...]) -> Array:
        """Of the rows that a network was ended by."""
        x, y = other[:2]
        predicted = network.predict(one_or_all(x), threads=self.threads)
        far: Array = np.abs(predicted.reshape(len(y), -1).mean(axis=1) - y[:, 0]) * self.target.spread
        return far

    def _finished(self, members: list[Network]) -> Network:
        """The mean of what all of them predict, in one network that shares their parameters."""
        given, _ = self._places()
        predicted = [self.target.finished(member(given)) for member in members]
        if self.preset.members > 1:
            predicted = [_functions.mean(each, 1) for each in predicted]
        mean = predicted[0]
        for each in predicted[1:]:
            mean = mean + each
        return Network(given, mean * (1 / len(predicted)))


def split(who: str, table: Any, target: Any) -> tuple[Any, Any, str]:
    """The columns, the target, and what it is called."""
    if isinstance(target, str):
        columns, values = table_without(table, target)
        return columns, values, target
    columns = columns_of(who, table)
    return columns, target, str(getattr(target, "name", None) or "target")


def encoded(schema: Schema, table: Any) -> list[Array]:
    """What the network's inputs get."""
    numbers, codes = schema.encode(table)
    return [numbers] * bool(schema.numbers) + [codes] * bool(schema.categories)


def one_or_all(x: list[Any]) -> Any:
    """As networks of one input take it, or of two."""
    return x if len(x) > 1 else x[0]
