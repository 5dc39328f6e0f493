"""The picture of a run on digits: curves, gradient norms, samples with predictions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from backpass.tools._digits import Run

SAMPLES = (4, 10)  # rows and columns


def draw(result: Run, path: Path) -> None:
    """Writes the picture; its format follows from the file's name."""
    figure = Figure(figsize=(11, 8), layout="constrained")
    curves, samples = cast("Any", figure.subfigures(2, 1, height_ratios=(1, 1.15)))
    left, middle, right = curves.subplots(1, 3)
    _curves(left, result, "loss", "val_loss", "cross-entropy")
    _logarithmic(left, [result.history["loss"], result.history["val_loss"]])
    _curves(middle, result, "accuracy", "val_accuracy", "accuracy")
    _norms(right, result)
    _samples(samples, result)
    figure.savefig(path, dpi=120)


def _curves(axes: Any, result: Run, training: str, held_out: str, title: str) -> None:
    epochs = np.arange(1, result.history.epochs + 1)
    axes.plot(epochs, result.history[training], label="training")
    axes.plot(epochs, result.history[held_out], label="held out")
    axes.set(title=title, xlabel="epoch")
    axes.grid(alpha=0.3)
    axes.legend()


def _norms(axes: Any, result: Run) -> None:
    for name, norms in result.norms.items():
        axes.plot(np.arange(1, len(norms) + 1), norms, label=name)
    axes.set(title="gradient norm, last step", xlabel="epoch")
    _logarithmic(axes, list(result.norms.values()))
    axes.grid(alpha=0.3)
    axes.legend()


def _logarithmic(axes: Any, curves: list[list[float]]) -> None:
    """Where there is anything that has a logarithm."""
    if any(value > 0 for values in curves for value in values):
        axes.set_yscale("log")


def _samples(figure: Any, result: Run) -> None:
    """All mistakes first, then digits that were right."""
    wrong = np.flatnonzero(result.predicted != result.y_test)
    right = np.flatnonzero(result.predicted == result.y_test)
    grid = figure.subplots(*SAMPLES)
    figure.suptitle(f"{len(wrong)} of {len(result.y_test)} held-out digits are wrong (red: predicted, true)")
    for axes, index in zip(grid.flat, np.concatenate([wrong, right]), strict=False):
        guess, truth = result.predicted[index], result.y_test[index]
        axes.imshow(result.x_test[index].reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        axes.set_title(str(guess) if guess == truth else f"{guess}, {truth}", fontsize=9,
                       color="black" if guess == truth else "tab:red")  # fmt: skip
    for axes in grid.flat:
        axes.axis("off")
