"""Data that everybody has or can get: what scikit-learn ships, and three sets from a folder beside the repository."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
PROTEIN_ROWS = 8000  # of 45,730, the first ones; a training takes a second then


@dataclass(frozen=True)
class Split:
    """Float32 inputs of mean 0 and deviation 1 by the training rows; labels, or targets scaled likewise, (rows, 1)."""

    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array


@dataclass(frozen=True)
class Task:
    """A data set; `held_out` says how many of its last rows are for testing, None that each seed draws a fifth."""

    name: str
    load: Callable[[], tuple[Array, Array]]
    outputs: int  # classes, or 1 for a regression
    held_out: int | None = None
    needs: Path | None = None  # a file

    @property
    def classifies(self) -> bool:
        return self.outputs > 1

    @property
    def missing(self) -> bool:
        return self.needs is not None and not self.needs.exists()

    def split(self, seed: int) -> Split:
        x, y = self.load()
        rows = np.arange(len(x)) if self.held_out else np.random.default_rng(seed).permutation(len(x))
        train, test = np.split(rows, [len(x) - (self.held_out or len(x) // 5)])
        x = scaled(x, train)
        y = y.astype(np.int64) if self.classifies else scaled(y[:, None], train)
        return Split(x[train], y[train], x[test], y[test])


def scaled(values: Array, train: Array) -> Array:
    """Column by column; one that is constant becomes 0."""
    deviation = values[train].std(axis=0)
    return ((values - values[train].mean(axis=0)) / np.where(deviation > 0, deviation, 1)).astype(np.float32)


def bundled(name: str) -> Callable[[], tuple[Array, Array]]:
    """A set that scikit-learn ships."""

    @cache
    def load() -> tuple[Array, Array]:
        from sklearn import datasets

        x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        return x.astype(np.float64), y.astype(np.float64)

    return load


@cache
def mnist() -> tuple[Array, Array]:
    """The 10,000 images of the test half; IDX files."""
    images, labels = (
        np.frombuffer(gzip.decompress((SHARED / "mnist-10k" / f"t10k-{name}-ubyte.gz").read_bytes()), np.uint8)
        for name in ("images-idx3", "labels-idx1")
    )
    return images[16:].reshape(-1, 784).astype(np.float64), labels[8:].astype(np.float64)


def table(name: str, rows: int | None = None) -> Callable[[], tuple[Array, Array]]:
    """Numbers between blanks, the target last."""

    @cache
    def load() -> tuple[Array, Array]:
        values = np.loadtxt(SHARED / "uci" / name, max_rows=rows)
        return values[:, :-1], values[:, -1]

    return load


TASKS = {
    task.name: task
    for task in (
        Task("digits", bundled("digits"), 10),
        Task("breast-cancer", bundled("breast_cancer"), 2),
        Task("wine", bundled("wine"), 3),
        Task("diabetes", bundled("diabetes"), 1),
        Task("power-plant", table("power-plant.txt"), 1, needs=SHARED / "uci" / "power-plant.txt"),
        Task("protein", table("protein.txt", PROTEIN_ROWS), 1, needs=SHARED / "uci" / "protein.txt"),
        Task("mnist-10k", mnist, 10, held_out=2000, needs=SHARED / "mnist-10k"),
    )
}
