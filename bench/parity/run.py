"""`python -m bench.parity.run`: do backpass and PyTorch reach the same scores on real data?"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats

import backpass as bp

from .contenders import scores
from .recipes import RECIPES, Recipe
from .tasks import TASKS, Task

LIMITS = {True: 0.5, False: 1.0}  # points of accuracy for classifiers, per cent of the RMSE otherwise


@dataclass(frozen=True)
class Comparison:
    """One recipe over all seeds; differences in points of accuracy, or in per cent of PyTorch's error."""

    recipe: Recipe
    task: Task
    ours: np.ndarray
    theirs: np.ndarray

    @property
    def differences(self) -> np.ndarray:
        relative = 1.0 if self.task.classifies else self.theirs
        return 100 * (self.ours - self.theirs) / relative

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, of the mean paired difference, by Student's t."""
        n, mean = len(self.differences), self.differences.mean()
        half = stats.t.ppf(0.975, n - 1) * self.differences.std(ddof=1) / np.sqrt(n)
        return mean - half, mean + half

    @property
    def holds(self) -> bool:
        limit = LIMITS[self.task.classifies]
        return all(abs(end) <= limit for end in self.interval)

    def row(self) -> str:
        digits, unit = (".2%", "points") if self.task.classifies else (".4f", "%")
        low, high = self.interval
        cells = (
            self.task.name,
            self.recipe.model,
            self.recipe.rule,
            f"{self.ours.mean():{digits}}",
            f"{self.theirs.mean():{digits}}",
            f"{self.differences.mean():+.3f}",
            f"{low:+.3f} to {high:+.3f} {unit}",
            "yes" if self.holds else "NO",
        )
        return f"| {' | '.join(cells)} |"


def compare(recipe: Recipe, seeds: Sequence[int]) -> Comparison:
    """Each seed has a split, first weights and an order of its own."""
    task = TASKS[recipe.task]
    pairs = [scores(recipe, task.split(seed), task.outputs, seed) for seed in seeds]
    ours, theirs = np.array(pairs).T
    return Comparison(recipe, task, ours, theirs)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--tasks", nargs="+", choices=[*TASKS], default=[*TASKS])
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = [
        f"backpass {bp.__version__} ({bp.isa()})",
        f"PyTorch {torch.__version__}",
        f"NumPy {np.__version__}",
        f"Python {platform.python_version()}",
    ]
    print(f"{', '.join(names)}; {options.seeds} seeds\n")
    print("| data | hidden layers | optimizer | backpass | PyTorch | difference | 95 % interval | within |")
    print("|---|---|---|---|---|---|---|---|")
    start, failed = time.perf_counter(), 0
    for recipe in RECIPES:
        if recipe.task in options.tasks and not TASKS[recipe.task].missing:
            result = compare(recipe, range(options.first_seed, options.first_seed + options.seeds))
            failed += not result.holds
            print(result.row(), flush=True)
    print(f"\n{time.perf_counter() - start:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
