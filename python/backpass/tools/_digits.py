"""`backpass train`: handwritten digits from data to a saved model, cross-validated, and where it goes wrong."""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import backpass as bp
from backpass._text import table

if TYPE_CHECKING:
    from backpass._types import Array, Logs


FOLDS = 5


@dataclass
class Run:
    """Training on all folds but one, and what came out of it."""

    model: bp.Sequential
    history: bp.History
    seconds: float
    norms: dict[str, list[float]]
    x_test: Array
    y_test: Array
    predicted: Array = field(default_factory=lambda: np.empty(0))

    @property
    def accuracy(self) -> float:
        """The share of held-out digits that are right."""
        return float(np.mean(self.predicted == self.y_test))


class GradientNorms(bp.Callback):
    """The norm of each weight's gradient in the last step of every epoch."""

    def __init__(self) -> None:
        self.norms: dict[str, list[float]] = {}

    def on_epoch_end(self, trainer: bp.Trainer, logs: Logs) -> None:
        """Takes them down."""
        for name, gradient in trainer.model.gradients().items():
            if name.endswith("weight"):
                self.norms.setdefault(name, []).append(float(np.linalg.norm(gradient)))


# What the options are where they are not given.
DEFAULTS = {"epochs": 80, "hidden": [128], "batch_size": 32, "learning_rate": 2e-3, "dropout": 0.4, "threads": 1,
            "out": Path("digits.safetensors")}  # fmt: skip


def filled(options: argparse.Namespace) -> argparse.Namespace:
    """Options with the defaults of the digits."""
    given = {name: value for name, value in vars(options).items() if value is not None}
    return argparse.Namespace(**vars(options) | DEFAULTS | given)


def make_model(hidden: list[int], dropout: float, seed: int) -> bp.Sequential:
    """Hidden layers of ReLU units, each with dropout, then one logit per digit."""
    layers: list[bp.Layer] = []
    for units in hidden:
        layers += [bp.Dense(units, activation="relu"), bp.Dropout(dropout)]
    return bp.Sequential(*layers, bp.Dense(10), input_shape=64, seed=seed)


def folds(y: Array, seed: int) -> list[Array]:
    """The rows of each fold: all rows once, with the same share of every class in each."""
    rest, found = np.arange(len(y)), []
    for left in range(FOLDS, 1, -1):
        kept, held_out = bp.datasets.stratified_split(y[rest], 1 / left, seed=seed)
        found.append(rest[held_out])
        rest = rest[kept]
    return [*found, rest]


def run(options: argparse.Namespace, fold: int = 0, *, progress: bool | str = "auto") -> Run:
    """Trains on the other folds; this one is looked at, never chosen by."""
    x, y = bp.datasets.load_digits()
    options = filled(options)
    test_rows = folds(y, options.seed)[fold]
    train_rows = np.setdiff1d(np.arange(len(y)), test_rows)
    model = make_model(options.hidden, options.dropout, options.seed)
    watcher = GradientNorms()
    start = time.perf_counter()
    history = model.fit(
        x[train_rows],
        y[train_rows],
        loss=bp.CrossEntropy(),
        optimizer=bp.Adam(options.learning_rate),
        epochs=options.epochs,
        batch_size=options.batch_size,
        validation_data=(x[test_rows], y[test_rows]),
        metrics=["accuracy"],
        callbacks=[watcher],
        progress=progress,
        threads=options.threads,
    )
    seconds = time.perf_counter() - start
    result = Run(model, history, seconds, watcher.norms, x[test_rows], y[test_rows])
    result.predicted = model.predict(result.x_test).argmax(axis=1)
    return result


def cross_validate(options: argparse.Namespace, *, progress: bool | str = "auto") -> list[Run]:
    """One run for each fold, so that every digit is held out once."""
    runs = []
    for fold in range(FOLDS):
        runs.append(run(options, fold, progress=progress))
        print(f"fold {fold + 1} of {FOLDS}: {runs[-1].accuracy:.2%} of {len(runs[-1].y_test)} held-out digits right",
              flush=True)  # fmt: skip
    return runs


def middle(runs: list[Run]) -> int:
    """Which run has the median accuracy."""
    return sorted(range(len(runs)), key=lambda i: runs[i].accuracy)[len(runs) // 2]


def confusion(y_true: Array, y_pred: Array) -> Array:
    """How often digit i was taken for digit j."""
    counts = np.zeros((10, 10), dtype=np.int64)
    np.add.at(counts, (y_true, y_pred), 1)
    return counts


def report(runs: list[Run]) -> str:
    """Accuracy over all folds, the confusion matrix and the most frequent mistakes."""
    counts = sum((confusion(each.y_test, each.predicted) for each in runs), np.zeros((10, 10), dtype=np.int64))
    header = ["digit", *map(str, range(10)), "right"]
    rows = []
    for digit in range(10):
        cells = [str(n) if n else "." for n in counts[digit]]
        rows.append([str(digit), *cells, f"{counts[digit, digit] / max(counts[digit].sum(), 1):.0%}"])
    wrong = sorted(((int(counts[i, j]), i, j) for i in range(10) for j in range(10) if i != j and counts[i, j]),
                   reverse=True)  # fmt: skip
    worst = ", ".join(f"{i} taken for {j} ({n})" for n, i, j in wrong[:5]) or "nowhere"
    right, total, seconds = int(counts.trace()), int(counts.sum()), sum(each.seconds for each in runs)
    return (
        f"held-out accuracy {right / total:.2%} ({right} of {total}, each held out once), "
        f"{len(runs)} models trained in {seconds:.2f} s\n\n"
        f"Rows: the digit; columns: what it was taken for.\n{table(header, rows)}\n\nWhere it went wrong: {worst}"
    )


def epochs_table(history: bp.History) -> str:
    """About ten epochs of the history."""
    names = list(history)
    shown = sorted({round(i) for i in np.linspace(0, history.epochs - 1, min(10, history.epochs))})
    rows = [[str(i + 1), *(f"{history[name][i]:.4f}" for name in names)] for i in shown]
    return table(["epoch", *names], rows)


def train(options: argparse.Namespace) -> int:
    """`backpass train`."""
    options = filled(options)
    check_files(options)
    print(make_model(options.hidden, options.dropout, options.seed).summary(), end="\n\n", flush=True)
    runs = cross_validate(options)
    chosen = middle(runs)
    runs[chosen].model.save(options.out)  # before anything that may fail is printed or drawn
    drawn = picture(runs[chosen], options)
    print(f"\nfold {chosen + 1}, the median:\n{epochs_table(runs[chosen].history)}", end="\n\n")
    print(report(runs), end="\n\n")
    print(f"model    {options.out}, of fold {chosen + 1}")
    print(f"picture  {drawn}")
    return 0


def picture_path(options: argparse.Namespace) -> Path | None:
    """Where the picture goes; None where none is wanted."""
    return None if options.no_picture else options.out.with_suffix(".png")


def check_files(options: argparse.Namespace) -> None:
    """Refuses, before anything is trained, names that could not be written, and one name for both files."""
    out: Path = options.out
    if not out.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {out.parent}")
    if out.is_dir():
        raise IsADirectoryError(f"--out must name a file, and {out} is a folder")
    for path in filter(None, (out, picture_path(options))):
        if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
            raise PermissionError(f"{path} cannot be written")
    if picture_path(options) == out:
        raise ValueError(f"--out {out} is the name of the picture: name the model {out.with_suffix('.safetensors')}")


def picture(result: Run, options: argparse.Namespace) -> str:
    """Draws beside the model where that is wanted and possible; what became of it."""
    path = picture_path(options)
    if path is None:
        return "not wanted"
    if find_spec("matplotlib") is None:
        return "needs matplotlib: pip install 'backpass[plot]'"
    from backpass.tools._picture import draw

    draw(result, path)
    return str(path)
