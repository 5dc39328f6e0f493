"""A model of a table: what its columns are, a network, and what it predicts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from backpass import _checks
from backpass._types import Array
from backpass.models import Network, load
from backpass.tables import _metadata
from backpass.tables._columns import Schema
from backpass.tables._fitting import Fit, encoded, one_or_all, split
from backpass.tables._folders import ParquetFolder
from backpass.tables._intervals import reach
from backpass.tables._presets import PRESETS, Preset
from backpass.tables._scores import scores
from backpass.tables._targets import Target, column_of

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
        fit = Fit(
            self.preset,
            self.categorical,
            self.validation_fraction,
            self.n_ensembles,
            self.seed,
            self.threads,
            progress,
            callbacks,
        )
        if isinstance(table, ParquetFolder):
            if sample_weight is not None or validation is not None or self.n_ensembles > 1:
                raise ValueError("[fit] a folder takes no sample_weight, no validation and no n_ensembles")
            fit.of_folder(table, target, task)
        else:
            fit.of_table(table, target, task, sample_weight, validation)
        self.schema, self.target, self.network = fit.schema, fit.target, fit.network
        self.histories, self.distances = fit.histories, fit.distances
        return self

    def _outputs(self, table: Any) -> Array:
        if self.network is None or self.schema is None:
            raise RuntimeError("[TableModel] it must be fitted, or loaded, before it predicts")
        x = encoded(self.schema, table)
        rows = len(x[0])
        x = [np.pad(part, ((0, -rows % TOGETHER), (0, 0))) for part in x]
        outputs: Array = self.network.predict(one_or_all(x), threads=self.threads)
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
        columns, values, _ = split("evaluate", table, self.target.name if target is None else target)
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
