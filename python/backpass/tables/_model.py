"""A model of a table: what its columns are, a network, and what it predicts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import Any

import numpy as np

from backpass import _checks, _core, _functions
from backpass._types import Array
from backpass.data import Stream
from backpass.models import Network, load
from backpass.tables import _metadata
from backpass.tables._columns import Schema, table_without
from backpass.tables._folders import ParquetFolder, Shares, target_of
from backpass.tables._frames import columns_of
from backpass.tables._intervals import kept, reach
from backpass.tables._networks import Scaling, features, inputs, many_perceptrons, perceptron
from backpass.tables._presets import PRESETS, Preset
from backpass.tables._realmlp_training import build
from backpass.tables._scores import scores
from backpass.tables._targets import Target, column_of
from backpass.tables._ways import held_out_rows, steps_of, way_of

FORMAT = 1
TOGETHER = 64  # rows are filled up to a multiple of it: a prediction is the same, whatever rows stand beside it


class TableModel:
    """A network for a table of numbers, categories and dates, with missing values or without.

    What the columns are is learned from the table. All that is done with their values, from missing ones to the scale
    of the target, is part of the network, so that one file holds it.

    Args:
        preset: "mlp", a plain perceptron; "tabm", 32 of them that share their weights (Gorishniy et al. 2025), which
            is better as a rule and takes longer; or "realmlp", with the tuned defaults of Holzmüller et al. 2024.
        hidden: units of the hidden layers, in place of the preset's.
        epochs: the most epochs; None is the preset's: 200, or 256 of "realmlp".
        patience: for how many epochs the held-out rows need become no better; the best weights are kept. None is the
            preset's: 16, or of "realmlp" as many as there are, because its schedules want all epochs.
        learning_rate, weight_decay, dropout, batch_size: in place of the preset's.
        validation_fraction: the share of rows that is held out, where `fit` gets none.
        n_ensembles: how many networks are trained, each with other rows held out; predictions are their mean.
        categorical: names of columns that are categories whatever they look like.
        seed: of all random numbers; the same seed gives the same model.
        threads: how many; None is the default of `backpass.get_threads()`.

    Attributes:
        schema: the columns, once it is fitted.
        target: what is predicted: `target.classes`, or numbers.
        network: from `schema.encode(table)` to probabilities (rows, classes) or values (rows, 1): a `backpass.Network`.
        histories: of each network that was trained.
        distances: of numbers, how far those of held-out rows lie from what was predicted, in order.

    Example:
        >>> import numpy as np
        >>> from backpass.tables import TableModel
        >>> rng = np.random.default_rng(0)
        >>> table = {"size": rng.uniform(1, 9, 200), "colour": rng.choice(["red", "blue"], 200)}
        >>> table["price"] = table["size"] * 2 + (table["colour"] == "red") * 5
        >>> model = TableModel(epochs=30, seed=0).fit(table, "price")
        >>> model.predict({"size": [4.0, None], "colour": ["red", "green"]}).shape
        (2,)
    """

    def __init__(
        self,
        preset: str = "mlp",
        *,
        hidden: Sequence[int] | None = None,
        epochs: int | None = None,
        patience: int | None = None,
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        dropout: float | None = None,
        batch_size: int | None = None,
        validation_fraction: float = 0.15,
        n_ensembles: int = 1,
        categorical: Iterable[str] | None = None,
        seed: int = 0,
        threads: int | None = None,
    ) -> None:
        if preset not in PRESETS:
            raise ValueError(f"[TableModel] preset must be one of {', '.join(map(repr, PRESETS))}, got {preset!r}")
        if not 0 < validation_fraction < 1:
            raise ValueError(f"[TableModel] validation_fraction must be within 0 and 1, got {validation_fraction}")
        self.preset: Preset = PRESETS[preset].changed(
            hidden=hidden,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            dropout=dropout,
            batch_size=batch_size,
            epochs=None if epochs is None else _checks.integer("TableModel", "epochs", epochs, minimum=1),
            patience=None if patience is None else _checks.integer("TableModel", "patience", patience, minimum=1),
        )
        self.n_ensembles = _checks.integer("TableModel", "n_ensembles", n_ensembles, minimum=1)
        self.validation_fraction = validation_fraction
        self.categorical = None if categorical is None else [str(name) for name in categorical]
        self.seed = _checks.integer("TableModel", "seed", seed)
        self.threads = threads
        self.schema: Schema | None = None
        self.target: Target | None = None
        self.network: Network | None = None
        self.histories: list[Any] = []
        self.distances: tuple[float, ...] = ()

    def fit(
        self,
        table: Any,
        target: Any,
        *,
        task: str | None = None,
        sample_weight: Any = None,
        validation: tuple[Any, ...] | None = None,
        progress: bool | str = False,
        callbacks: Sequence[Any] = (),
    ) -> TableModel:
        """Trains on a table.

        Args:
            table: a data frame of pandas or polars, a table of Arrow, a dict of columns, a list of dicts, or an array;
                or a `ParquetFolder`, whose rows are read anew in each epoch, so that it may be larger than memory.
            target: the name of a column of it, or the values, (rows,).
            task: "classification" or "regression"; None looks at the target: texts, truth values, categories and
                integers of at most 20 values are classes.
            sample_weight: (rows,), not negative.
            validation: (table,) with the target in it, or (table, target): rows by which training ends, in place of a
                share of those above.
            progress: as of `Network.fit`.
            callbacks: likewise, beside those that end training.

        Raises:
            ValueError: if names or rows do not fit, or the target has missing values or one class only.
        """
        before = self.schema, self.target, self.network, self.histories, self.distances
        try:
            self._fit(table, target, task, sample_weight, validation, progress, callbacks)
        except BaseException:
            self.schema, self.target, self.network, self.histories, self.distances = before
            raise
        return self

    def _fit(
        self,
        table: Any,
        target: Any,
        task: str | None,
        sample_weight: Any,
        validation: tuple[Any, ...] | None,
        progress: bool | str,
        callbacks: Sequence[Any],
    ) -> None:
        if isinstance(table, ParquetFolder):
            if sample_weight is not None or validation is not None or self.n_ensembles > 1:
                raise ValueError("[fit] a folder takes no sample_weight, no validation and no n_ensembles")
            self._fit_folder(table, target, task, progress, callbacks)
            return
        columns, values, name = _split("fit", table, target)
        self.schema = Schema.learn(columns, self.categorical)
        self.target = Target.learn(name, values, task)
        x, y = self._encoded(columns), self.target.encode(values)
        if len(y) != len(x[0]):
            raise ValueError(f"[fit] the target has {len(y)} rows, the table {len(x[0])}")
        if len(y) < 2 and validation is None:
            raise ValueError("[fit] some rows are held out, so it needs at least 2, got 1; or give validation")
        weight = None if sample_weight is None else np.asarray(sample_weight, np.float64)
        held_out = None
        if validation is not None:
            given, wanted, _ = _split("fit", validation[0], validation[1] if len(validation) > 1 else name)
            held_out = self._encoded(given), self.target.encode(wanted)
        scaling = Scaling.learn(self.schema.encode(columns)[0])
        self.histories, members, distances = [], [], []
        for number in range(self.n_ensembles):
            train, other = self._parts(x, y, weight, held_out, number)
            rows = len(train[1])
            network = self._network(scaling, train, rows, self.seed + number)
            given = {"x": self._given(train[0]), "y": self._labels(train[1]), "sample_weight": train[2]}
            self._train(network, given, rows, other, self.seed + number, progress, callbacks)
            members.append(network)
            if not self.target.is_class:
                distances.append(self._distances(network, other))
        self.distances = kept(np.concatenate(distances)) if distances else ()
        self.network = self._finished(members)

    def _fit_folder(
        self, folder: ParquetFolder, target: Any, task: str | None, progress: bool | str, callbacks: Sequence[Any]
    ) -> None:
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
        train = self._encoded(sample), self.target.encode(values)
        other = self._encoded(rest), self.target.encode(wanted)
        rows = max(1, int(folder.rows * (1 - shares.held_out)))
        network = self._network(Scaling.learn(self.schema.encode(sample)[0]), train, rows, self.seed)
        epochs = count()

        def chunks() -> Iterator[tuple[Any, Any]]:
            assert self.target is not None
            for part in folder.passing(shares.held_out, self.seed + next(epochs)):
                columns, labels = table_without(part, target)
                yield self._given(self._encoded(columns)), self._labels(self.target.encode(labels))

        self.histories = []
        self._train(network, {"x": Stream(chunks, buffer=4)}, rows, other, self.seed, progress, callbacks)
        self.distances = () if self.target.is_class else kept(self._distances(network, other))
        self.network = self._finished([network])

    def _given(self, x: list[Array]) -> Any:
        """One array where there is one input."""
        return x if len(x) > 1 else x[0]

    def _labels(self, labels: Array) -> Any:
        """By name where they are of another shape than what is predicted."""
        return labels if self.preset.members == 1 else {"target": labels}

    def _encoded(self, table: Any) -> list[Array]:
        """What the network's inputs get."""
        assert self.schema is not None
        numbers, codes = self.schema.encode(table)
        return [numbers] * bool(self.schema.numbers) + [codes] * bool(self.schema.categories)

    def _places(self) -> tuple[list[_core.Tensor], tuple[_core.Tensor, _core.Tensor]]:
        """The inputs that there are, and both."""
        assert self.schema is not None
        both = inputs(self.schema)
        return [both[0]] * bool(self.schema.numbers) + [both[1]] * bool(self.schema.categories), both

    def _network(self, scaling: Scaling, train: tuple[Any, ...], rows: int, seed: int) -> Network:
        assert self.schema is not None
        assert self.target is not None
        places, both = self._places()
        preset, outputs = self.preset, self.target.outputs
        given: Any = places if len(places) > 1 else places[0]
        if preset.realmlp:
            return build(self.schema, scaling, self.target, preset, train, steps_of(preset, rows), seed, self.threads)
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
        assert self.target is not None
        if held_out is not None:
            return (x, y, weight), held_out
        other = held_out_rows(y, self.target.is_class, self.validation_fraction, self.n_ensembles, number, self.seed)
        keep = ~other
        parts = ([a[keep] for a in x], y[keep], None if weight is None else weight[keep])
        rest = ([a[other] for a in x], y[other])
        return parts, rest if weight is None else (*rest, weight[other])

    def _train(
        self,
        network: Network,
        given: dict[str, Any],
        rows: int,
        other: tuple[Any, ...],
        seed: int,
        progress: bool | str,
        callbacks: Sequence[Any],
    ) -> None:
        assert self.target is not None
        history = network.fit(
            **given,
            validation_data=(self._given(other[0]), self._labels(other[1]), *other[2:]),
            seed=seed,
            threads=self.threads,
            progress=progress,
            check_finite=False,  # what is missing is nan, and nothing is infinite
            **way_of(self.preset, self.target, network, rows, callbacks),
        )
        self.histories.append(history)

    def _distances(self, network: Network, other: tuple[Any, ...]) -> Array:
        """Of the rows that a network was ended by."""
        assert self.target is not None
        x, y = other[:2]
        predicted = network.predict(self._given(x), threads=self.threads)
        far: Array = np.abs(predicted.reshape(len(y), -1).mean(axis=1) - y[:, 0]) * self.target.spread
        return far

    def _finished(self, members: list[Network]) -> Network:
        """The mean of what all of them predict, in one network that shares their parameters."""
        assert self.target is not None
        places, _ = self._places()
        given: Any = places if len(places) > 1 else places[0]
        predicted = [self.target.finished(member(given)) for member in members]
        if self.preset.members > 1:
            predicted = [_functions.mean(each, 1) for each in predicted]
        mean = predicted[0]
        for each in predicted[1:]:
            mean = mean + each
        return Network(given, mean * (1 / len(predicted)))

    def _outputs(self, table: Any) -> Array:
        if self.network is None:
            raise RuntimeError("[TableModel] it must be fitted, or loaded, before it predicts")
        x = self._encoded(table)
        rows = len(x[0])
        x = [np.pad(part, ((0, -rows % TOGETHER), (0, 0))) for part in x]
        outputs: Array = self.network.predict(self._given(x), threads=self.threads)
        return outputs[:rows]

    def predict(self, table: Any) -> Array:
        """The class, or the number, of each row: (rows,).

        Raises:
            ValueError: if a column is not there, or a number cannot be read; the message names column and row.
            RuntimeError: if the model is not fitted.
        """
        outputs = self._outputs(table)
        assert self.target is not None
        if not self.target.is_class:
            return outputs[:, 0]
        classes: Array = np.array(self.target.classes)
        predicted: Array = classes[outputs.argmax(axis=1)]
        return predicted

    def predict_probabilities(self, table: Any) -> Array:
        """How likely each class is: (rows, classes), in the order of `target.classes`.

        Raises:
            ValueError: if the target is a number; else as `predict`.
        """
        if self.target is not None and not self.target.is_class:
            raise ValueError("[TableModel] a number is predicted, there are no classes")
        return self._outputs(table)

    def predict_interval(self, table: Any, coverage: float = 0.9) -> Array:
        """Limits within which a number lies with probability `coverage`: (rows, 2), from low to high.

        They are as far from what is predicted as held-out rows lie from it: split conformal prediction, which holds
        where new rows are like those (Lei et al. 2018), with the flaw that the best epoch was chosen by the same rows.

        Raises:
            ValueError: if the target is a class, coverage is not within 0 and 1, or more than held-out rows can tell;
                else as `predict`.
        """
        far, numbers = self.reach(coverage), self.predict(table)
        return np.stack([numbers - far, numbers + far], axis=1)

    def reach(self, coverage: float) -> float:
        """How far the limits of `predict_interval` lie from what is predicted."""
        if self.target is None:
            raise RuntimeError("[TableModel] it must be fitted, or loaded, before it predicts")
        if self.target.is_class:
            raise ValueError("[TableModel] a class is predicted, which has no interval: see predict_probabilities")
        if not self.distances:
            raise ValueError("[TableModel] the file is older than intervals: it does not say how far predictions lie")
        return reach(self.distances, coverage)

    def evaluate(self, table: Any, target: Any = None) -> dict[str, float]:
        """Scores of predictions: accuracy, log loss and, of two classes, auc; or r2, rmse and mae.

        Args:
            table: with the target in it, unless `target` gives the values.
        """
        if self.target is None:
            raise RuntimeError("[TableModel] it must be fitted, or loaded, before it predicts")
        columns, values, _ = _split("evaluate", table, self.target.name if target is None else target)
        return scores(self.target, column_of(values), self._outputs(columns))

    def save(self, path: str | bytes | os.PathLike[str]) -> None:
        """Writes one file with all of it; an existing one is replaced as a whole or not at all.

        The file is a model of `backpass` (`backpass.load`, and in C++) whose metadata hold the columns as well.
        """
        if self.network is None or self.schema is None or self.target is None:
            raise RuntimeError("[TableModel] it must be fitted before it is saved")
        told: dict[str, Any] = {"format": FORMAT, "schema": self.schema.to_json(), "target": self.target.to_json()}
        if self.distances:
            told["distances"] = list(self.distances)
        _metadata.save(self.network, path, "backpass.table", json.dumps(told))

    @classmethod
    def load(cls, path: str | bytes | os.PathLike[str]) -> TableModel:
        """From a file that `save` has written: it predicts what the other did, bit for bit.

        Raises:
            ValueError: if the file is none, or damaged.
        """
        text = _metadata.read(path, "backpass.table")
        network = load(path)
        try:
            told = json.loads(text)
            if told["format"] != FORMAT:
                raise ValueError(f"format {told['format']} is not known")
            schema, target = Schema.from_json(told["schema"]), Target.from_json(told["target"])
            distances = tuple(float(each) for each in told.get("distances", ()))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"[TableModel] {os.fsdecode(path)} does not say what its columns are: {error}") from None
        if not isinstance(network, Network):
            raise ValueError(f"[TableModel] {os.fsdecode(path)} holds another kind of model")
        model = cls()
        model.schema, model.target, model.network, model.distances = schema, target, network, distances
        return model


def _split(who: str, table: Any, target: Any) -> tuple[Any, Any, str]:
    """The columns, the target, and what it is called."""
    if isinstance(target, str):
        columns, values = table_without(table, target)
        return columns, values, target
    columns = columns_of(who, table)
    return columns, target, str(getattr(target, "name", None) or "target")
