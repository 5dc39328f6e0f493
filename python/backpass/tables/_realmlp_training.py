"""How RealMLP is trained: first weights by the data, rates by parameter, schedules, and the best epoch."""

from __future__ import annotations

import fnmatch
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass import _core, _functions
from backpass._types import Array
from backpass.callbacks import Callback
from backpass.models import Network
from backpass.optimizers import AdamW, FlatCosine, Group, LogCosine
from backpass.tables._columns import Schema
from backpass.tables._networks import Scaling, inputs
from backpass.tables._presets import Preset
from backpass.tables._realmlp import body, features, scaling_of_categories
from backpass.tables._targets import Target

if TYPE_CHECKING:
    from backpass._types import Logs
    from backpass.training._trainer import Trainer

# Times the learning rate. Decay is scaled by them twice, as in the published code; biases have none.
RATES = {"*.bias": 0.1, "*.scale": 6.0, "*.slope": 0.1, "*.periodic_*": 0.1}
LOOKED_AT = 10_000  # rows that first weights are fitted to, at most


def fit_weights(network: Network, features: Array, activation: str, seed: int) -> None:
    """First weights and biases of the dense layers, by what they read: (rows, columns).

    Weights are normal, and scaled so that each unit has deviation 1 over the rows; its bias is less a random mean of
    five values that it has there ("std" and "he+5" of the published code).
    """
    rng = np.random.default_rng(seed)
    x = rng.permutation(features)[:LOOKED_AT].astype(np.float64)
    arrays = network.parameters()
    for layer in _dense(network):
        drawn = rng.standard_normal(arrays[f"{layer}.weight"].shape)
        z = x @ drawn.T
        deviation = z.std(axis=0)
        deviation[deviation == 0] = np.sqrt(x.shape[1])
        z /= deviation
        arrays[f"{layer}.weight"][:] = drawn / deviation[:, None]
        arrays[f"{layer}.bias"][:] = bias = -_random_means(z, rng)
        x = np.asarray(getattr(_functions, activation)(_core.tensor(z + bias, "float64", False)))


def build(
    schema: Schema,
    scaling: Scaling,
    target: Target,
    preset: Preset,
    train: tuple[Any, ...],
    steps: int,
    seed: int,
    threads: int | None,
) -> Network:
    """The network, whose first weights know some rows to train on, (x, y); `steps`: of all the training."""
    x, y = train[:2]
    both = inputs(schema)
    places = [both[0]] * bool(schema.numbers) + [both[1]] * bool(schema.categories)
    of_categories = scaling_of_categories(schema, x[-1] if schema.categories else np.empty((len(y), 0)))
    read = features(schema, scaling, of_categories, *both)
    limits = None if target.is_class else (float(y.min()), float(y.max()))
    network = Network(places, body(read, preset.hidden, preset.dropout, target.outputs, steps, limits), seed=seed)
    seen = Network(places, read).predict(x if len(x) > 1 else x[0], threads=threads)
    fit_weights(network, seen, "selu" if target.is_class else "mish", seed)
    return network


def _dense(network: Network) -> list[str]:
    """Names of the dense layers, from the input on."""
    return [name.removesuffix(".bias") for name in network.parameters() if name.endswith(".bias")]


def _random_means(z: Array, rng: np.random.Generator, count: int = 5) -> Array:
    shares = rng.exponential(size=(count, z.shape[1]))
    rows = rng.integers(0, len(z), (count, z.shape[1]))
    picked: Array = np.take_along_axis(z, rows, axis=0)
    means: Array = (picked * shares).sum(axis=0) / shares.sum(axis=0)
    return means


def optimizer_of(network: Network, learning_rate: float, weight_decay: float, steps: int) -> AdamW:
    """Adam with decoupled decay and rates by parameter; `steps`: of all the training.

    The neural tangent parametrisation, W / sqrt(inputs) with W of deviation 1 (Jacot et al. 2018), is one of rates
    here: Adam does not see how long gradients are, so weights that learn sqrt(inputs) times as slowly are the same.
    """
    parameters = network.parameters()
    names, groups = list(parameters), []
    for name in (f"{layer}.weight" for layer in _dense(network)):
        root = parameters[name].shape[1] ** 0.5
        groups.append(Group(name, learning_rate / root, weight_decay * root))
    groups += [
        Group(pattern, learning_rate * factor, 0.0 if pattern == "*.bias" else weight_decay * factor)
        for pattern, factor in RATES.items()
        if fnmatch.filter(names, pattern)
    ]
    return AdamW(
        learning_rate,
        betas=(0.9, 0.95),
        weight_decay=weight_decay,
        groups=groups,
        schedule=LogCosine(steps),
        decay_schedule=FlatCosine(steps),
    )


class LastBest(Callback):
    """Keeps the weights of the epoch that was best by a column; of several as good, those of the last.

    Args:
        column: of the history.
        rises: whether more is better.
        patience: for how many epochs it need become no better, before training ends; None never ends it.
    """

    def __init__(self, column: str, rises: bool, patience: int | None) -> None:
        self.column, self.sign, self.patience = column, -1.0 if rises else 1.0, patience

    def on_fit_begin(self, trainer: Trainer, logs: Logs) -> None:
        self.best, self.epoch = math.inf, -1
        self.kept: Array = np.array(trainer.model.flat_parameters)

    def on_epoch_end(self, trainer: Trainer, logs: Logs) -> None:
        value = self.sign * logs[self.column]
        if value <= self.best:
            self.best, self.epoch = value, int(logs["epoch"])
            self.kept[:] = trainer.model.flat_parameters
        elif self.patience is not None and logs["epoch"] - self.epoch >= self.patience:
            trainer.stop()

    def on_fit_end(self, trainer: Trainer, logs: Logs) -> None:
        trainer.model.flat_parameters[:] = self.kept
