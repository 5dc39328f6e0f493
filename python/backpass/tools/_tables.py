"""`backpass train data.csv`, `predict`, `evaluate` and `inspect`: tables from the command line."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from backpass import _names
from backpass._replacing import check_folder
from backpass._text import table as as_text
from backpass._types import Array
from backpass.tables import TableModel
from backpass.tables._checks import importances, warnings_of
from backpass.tables._columns import Schema
from backpass.tables._files import read_table, write_table
from backpass.tables._folders import ParquetFolder, Shares, target_of
from backpass.tables._frames import Columns
from backpass.tables._scores import scores
from backpass.tables._splits import last_rows, random_rows, whole_groups
from backpass.tables._targets import Target


@dataclass
class Outcome:
    """What a training came to, for the screen, for JSON and for the report."""

    data: str
    target: Target
    schema: Schema
    columns: Columns  # all that the file has but the target
    values: Array
    split: str
    held_out: Array
    warnings: list[str]
    seconds: float
    history: Any
    scores: dict[str, dict[str, float]]  # by model
    importances: dict[str, float]
    predicted: Array  # of the held-out rows, as the network gives it
    command: str
    model_file: str
    rows: int  # of all, of which columns and values may be some
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def task(self) -> str:
        return "classification" if self.target.is_class else "regression"

    @property
    def score(self) -> str:
        """The one that columns are ranked by."""
        return "accuracy" if self.target.is_class else "r2"

    def to_json(self) -> dict[str, Any]:
        return {
            "data": self.data,
            "target": self.target.name,
            "task": self.task,
            "classes": list(self.target.classes),
            "rows": self.rows,
            "held_out_rows": int(self.held_out.sum()),
            "split": self.split,
            "columns": {column.name: column.kind for column in self.schema.columns},
            "warnings": self.warnings,
            "epochs": len(self.history["loss"]),
            "seconds": round(self.seconds, 3),
            "scores": self.scores,
            "importances": self.importances,
            "model": self.model_file,
        }


def train(options: argparse.Namespace, command: str) -> int:
    """`backpass train FILE --target NAME`."""
    model_file = str(options.out or Path(options.data).with_suffix(".safetensors").name)
    check_folder(model_file)
    folder = _folder(options) if Path(options.data).is_dir() else None
    columns, held_out = _sample(folder) if folder else (read_table(options.data), None)
    values = _taken(columns, options.target, str(options.data))
    target = target_of(folder, options.target, options.task) if folder else None
    target = target or Target.learn(options.target, values, options.task)
    split = "at random"
    if held_out is None:
        held_out, split = _split(options, columns, values, target)
    rows = folder.rows if folder else len(values)
    if held_out.all() or not held_out.any():
        raise ValueError(f"{options.data}: {len(values)} rows are too few to hold some out")
    given = {name: column[~held_out] for name, column in columns.items()}
    rest = {name: column[held_out] for name, column in columns.items()}
    say = (lambda text: None) if options.quiet or options.json else print
    say(f"{options.data}: {rows} rows, {len(columns)} columns beside the target")
    say(_what(target, values, options.task is not None))
    told = warnings_of(columns, values, target.is_class)
    for warning in told:
        say(f"warning: {warning}")
    say(f"{int(held_out.sum())} rows held out: {split}")
    start = time.perf_counter()
    learnt = (folder, options.target) if folder else (given, values[~held_out])
    model = _model(options).fit(
        *learnt, task="classification" if target.is_class else "regression",
        progress=sys.stderr.isatty() and not (options.quiet or options.json),
    )  # fmt: skip
    seconds = time.perf_counter() - start
    assert model.schema is not None
    assert model.target is not None
    model.target = Target(options.target, model.target.classes, model.target.middle, model.target.spread)
    linear = TableModel(hidden=(), dropout=0.0, seed=options.seed, threads=options.threads).fit(
        given, values[~held_out], task="classification" if target.is_class else "regression"
    )
    outcome = Outcome(
        data=str(options.data),
        target=model.target,
        schema=model.schema,
        columns=columns,
        values=values,
        split=split,
        held_out=held_out,
        warnings=told,
        seconds=seconds,
        history=model.histories[0],
        scores={
            options.preset: model.evaluate(rest, values[held_out]),
            "linear": linear.evaluate(rest, values[held_out]),
            "trivial": _trivial(model.target, values[~held_out], values[held_out]),
        },
        importances=importances(model, rest, values[held_out], "accuracy" if target.is_class else "r2"),
        predicted=model._outputs(rest),
        command=command,
        model_file=model_file,
        rows=rows,
    )
    model.save(outcome.model_file)
    say(f"trained in {seconds:.1f} s, {len(outcome.history['loss'])} epochs\n")
    say(_table_of_scores(outcome))
    say("\n" + _table_of_importances(outcome))
    say(f"\nmodel     {outcome.model_file}")
    if not options.no_report:
        from backpass.tools._report import write

        report = Path(outcome.model_file).with_suffix(".html")
        write(report, outcome)
        say(f"report    {report}")
    if options.json:
        print(json.dumps(outcome.to_json(), indent=1))
    return 0


def predict(options: argparse.Namespace) -> int:
    """`backpass predict MODEL FILE`."""
    model = TableModel.load(options.model)
    assert model.target is not None
    name = model.target.name
    if options.interval is not None:
        model.reach(options.interval)  # refused before the table is read
    columns = read_table(options.data)
    if model.target.is_class:
        p = model.predict_probabilities(columns)
        result = {name: np.array(model.target.classes)[p.argmax(axis=1)]}
        if options.probabilities:
            result |= {f"p({label})": p[:, i].round(6) for i, label in enumerate(model.target.classes)}
    else:
        result = {name: model.predict(columns)}
        if options.interval is not None:
            far = model.reach(options.interval)
            result |= {f"{name} low": result[name] - far, f"{name} high": result[name] + far}
    write_table(options.out, result)
    if str(options.out) != "-" and not options.quiet:
        print(f"{len(result[name])} predictions in {options.out}", file=sys.stderr)  # the output may be /dev/stdout
    return 0


def evaluate(options: argparse.Namespace) -> int:
    """`backpass evaluate MODEL FILE`."""
    model, columns = TableModel.load(options.model), read_table(options.data)
    assert model.target is not None
    values = _taken(columns, model.target.name, str(options.data))
    found = model.evaluate(columns, values)
    if options.json:
        print(json.dumps(found))
    else:
        print("\n".join(f"{name:10} {value:.4f}" for name, value in found.items()))
    return 0


def inspect(options: argparse.Namespace) -> int:
    """`backpass inspect MODEL`."""
    model = TableModel.load(options.model)
    assert model.schema is not None
    assert model.target is not None
    assert model.network is not None
    rows = [(c.name, c.kind, f"{len(c.categories)}" if c.categories else "", "some missing" if c.missing else "")
            for c in model.schema.columns]  # fmt: skip
    print(as_text(("column", "kind", "categories", ""), rows, 2))
    kinds = f"classes {', '.join(map(str, model.target.classes))}" if model.target.is_class else "numbers"
    print(f"\npredicts {model.target.name}: {kinds}\n")
    print(model.network.summary())
    return 0


def _model(options: argparse.Namespace) -> TableModel:
    return TableModel(
        options.preset,
        hidden=options.hidden,
        epochs=options.epochs,
        learning_rate=options.learning_rate,
        dropout=options.dropout,
        batch_size=options.batch_size,
        n_ensembles=options.ensembles,
        categorical=options.categorical,
        seed=options.seed,
        threads=options.threads,
    )


def _folder(options: argparse.Namespace) -> ParquetFolder:
    """Rows that pass by, and are held out at random."""
    if options.time is not None or options.group is not None or options.ensembles > 1:
        raise ValueError(f"{options.data}: a folder takes no --time, no --group and no --ensembles")
    return ParquetFolder(options.data, test=options.test, seed=options.seed)


def _sample(folder: ParquetFolder) -> tuple[Columns, Array]:
    """Some rows of a folder in memory, and which of them are held out: baselines and the report are of these."""
    test, some = folder.test_rows(), folder.kept(Shares.of(folder, 0).sample, 1)
    held_out = np.arange(len(test[folder.names[0]]) + len(some[folder.names[0]])) < len(test[folder.names[0]])
    return {name: np.concatenate([test[name], some[name]]) for name in folder.names}, held_out


def _taken(columns: Columns, name: str, data: str) -> Array:
    """The target, out of the columns."""
    if name not in columns:
        meant = _names.nearest(name, columns)
        cure = f"; did you mean {meant!r}? It has" if meant else "; it has"
        raise ValueError(f"{data}: there is no column {name!r}{cure} {', '.join(map(repr, columns))}")
    return columns.pop(name)


def _split(options: argparse.Namespace, columns: Columns, values: Array, target: Target) -> tuple[Array, str]:
    for name in (options.time, options.group):
        if name is not None and name not in columns:
            raise ValueError(f"{options.data}: there is no column {name!r} to split by")
    if options.time is not None:
        return last_rows(columns, options.time, options.test), f"the last by {options.time}"
    if options.group is not None:
        return whole_groups(columns, options.group, options.test, options.seed), f"whole groups of {options.group}"
    kind = "at random, class by class" if target.is_class else "at random"
    return random_rows(values, options.test, target.is_class, options.seed), kind


def _what(target: Target, values: Array, asked: bool) -> str:
    how = "as asked" if asked else "guessed from its values; --task decides it"
    if target.is_class:
        labels = ", ".join(map(str, target.classes[:6])) + (", ..." if len(target.classes) > 6 else "")
        return f"target {target.name!r}: {len(target.classes)} classes, {labels} ({how})"
    numbers = values.astype(np.float64)
    return f"target {target.name!r}: numbers from {numbers.min():g} to {numbers.max():g} ({how})"


def _trivial(target: Target, known: Array, wanted: Array) -> dict[str, float]:
    """Of the commonest class by its share, or of the mean."""
    if not target.is_class:
        mean = known.astype(np.float64).mean()
        return scores(target, wanted, np.full((len(wanted), 1), mean))
    counts = np.bincount(target.encode(known), minlength=len(target.classes))
    return scores(target, wanted, np.tile(counts / counts.sum(), (len(wanted), 1)))


def _table_of_scores(outcome: Outcome) -> str:
    names = list(next(iter(outcome.scores.values())))
    rows = [(model, *(f"{found[name]:.4f}" for name in names)) for model, found in outcome.scores.items()]
    return as_text(("held-out rows", *names), rows, len(names))


def _table_of_importances(outcome: Outcome, most: int = 10) -> str:
    rows = [(name, f"{lost:.4f}") for name, lost in list(outcome.importances.items())[:most]]
    return as_text(("what matters most", f"{outcome.score} lost where it is shuffled"), rows)
