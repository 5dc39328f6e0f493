"""One training by each library: the same first weights, the same batches in the same order, float32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

import backpass as bp

from .recipes import Recipe
from .tasks import Array, Split

OURS = {
    "dense": bp.Dense,
    "relu": bp.ReLU,
    "tanh": bp.Tanh,
    "batch_norm": bp.BatchNorm,
    "layer_norm": bp.LayerNorm,
    "dropout": bp.Dropout,
}
THEIRS = {  # from the width before and the setting
    "dense": lambda width, units: torch.nn.Linear(width, units),
    "relu": lambda width: torch.nn.ReLU(),
    "tanh": lambda width: torch.nn.Tanh(),
    "batch_norm": torch.nn.BatchNorm1d,
    "layer_norm": torch.nn.LayerNorm,
    "dropout": lambda width, rate: torch.nn.Dropout(rate),
}
OUR_SCHEDULES = {"cosine": bp.CosineAnnealing, "one cycle": bp.OneCycle}


def cosine(optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)


def one_cycle(optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    highest = optimizer.param_groups[0]["lr"]
    return torch.optim.lr_scheduler.OneCycleLR(optimizer, highest, total_steps=steps, cycle_momentum=False)


THEIR_SCHEDULES = {"cosine": cosine, "one cycle": one_cycle}


class Ours:
    """By backpass."""

    def __init__(self, recipe: Recipe, split: Split, outputs: int, seed: int) -> None:
        layers = [OURS[kind](*setting) for kind, *setting in (*recipe.hidden, ("dense", outputs))]
        self.recipe, self.split = recipe, split
        self.model = bp.Sequential(*layers, input_shape=split.x_train.shape[1], seed=seed)
        self.loss = bp.CrossEntropy() if outputs > 1 else bp.MSE()
        steps = recipe.steps(len(split.x_train))
        schedule = {"schedule": OUR_SCHEDULES[recipe.schedule](steps)} if recipe.schedule else {}
        self.optimizer = getattr(bp, recipe.optimizer)(**recipe.settings, **schedule)

    def train(self, orders: Sequence[Array]) -> None:
        for order in orders:
            x, y = self.split.x_train[order], self.split.y_train[order]
            fit = {"batch_size": self.recipe.batch, "shuffle": False, "progress": False, "threads": 1}
            self.model.fit(x, y, loss=self.loss, optimizer=self.optimizer, **fit)

    def predict(self) -> Array:
        return self.model.predict(self.split.x_test)


class Theirs:
    """By PyTorch, from the weights of one of ours."""

    def __init__(self, recipe: Recipe, split: Split, outputs: int, seed: int, ours: Ours) -> None:
        torch.manual_seed(seed)
        self.recipe, self.split = recipe, split
        self.model = self._network((*recipe.hidden, ("dense", outputs)), split.x_train.shape[1])
        weights = {name: torch.from_numpy(value) for name, value in ours.model.state_dict().items()}
        self.model.load_state_dict(weights, strict=False)  # it counts the batches of BatchNorm besides
        self.loss = torch.nn.CrossEntropyLoss() if outputs > 1 else torch.nn.MSELoss()
        self.clip_norm = recipe.settings.get("clip_norm")
        self.optimizer = self._optimizer()
        steps = recipe.steps(len(split.x_train))
        self.schedule = THEIR_SCHEDULES[recipe.schedule](self.optimizer, steps) if recipe.schedule else None

    @staticmethod
    def _network(layers: Sequence[tuple[Any, ...]], width: int) -> torch.nn.Sequential:
        modules = []
        for kind, *setting in layers:
            modules.append(THEIRS[kind](width, *setting))
            width = setting[0] if kind == "dense" else width
        return torch.nn.Sequential(*modules)

    def _optimizer(self) -> torch.optim.Optimizer:
        settings = {name: value for name, value in self.recipe.settings.items() if name not in ("decay", "clip_norm")}
        rate, spared = settings.pop("learning_rate"), self.recipe.settings.get("decay") == "matrices"
        matrices = [p for p in self.model.parameters() if p.ndim >= 2 or not spared]
        others = [p for p in self.model.parameters() if p.ndim < 2 and spared]
        groups = [{"params": matrices}, *([{"params": others, "weight_decay": 0.0}] if others else [])]
        return getattr(torch.optim, self.recipe.optimizer)(groups, lr=rate, **settings)

    def train(self, orders: Sequence[Array]) -> None:
        self.model.train()
        x, y = torch.from_numpy(self.split.x_train), torch.from_numpy(self.split.y_train)
        for order in orders:
            for rows in torch.from_numpy(order).split(self.recipe.batch):
                self.optimizer.zero_grad()
                self.loss(self.model(x[rows]), y[rows]).backward()
                self._update()

    def _update(self) -> None:
        if self.clip_norm:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_norm)
        self.optimizer.step()
        if self.schedule:
            self.schedule.step()

    def predict(self) -> Array:
        self.model.eval()
        with torch.no_grad():
            return self.model(torch.from_numpy(self.split.x_test)).numpy()


def score(prediction: Array, truth: Array) -> float:
    """Accuracy, or the root of the mean squared error."""
    if truth.ndim == 1:
        return float((prediction.argmax(axis=1) == truth).mean())
    return float(np.sqrt(np.mean(np.square(prediction - truth, dtype=np.float64))))


def scores(recipe: Recipe, split: Split, outputs: int, seed: int) -> tuple[float, float]:
    """Ours and theirs, trained alike; before that they must predict the same."""
    ours = Ours(recipe, split, outputs, seed)
    theirs = Theirs(recipe, split, outputs, seed, ours)
    expected = theirs.predict()
    np.testing.assert_allclose(ours.predict(), expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(split.x_train)) for _ in range(recipe.epochs)]
    for one in (ours, theirs):
        one.train(orders)
    truth = split.y_test
    return score(ours.predict(), truth), score(theirs.predict(), truth)
