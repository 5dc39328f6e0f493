"""The twelve training steps that the benchmark times, and the data and first weights that all contenders share."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

CALL_ROWS, CALL_STEPS = 4096, 4  # at least, for a contender that takes many batches in one call
TIMED_LEARNING_RATE = 1e-9  # so small that nothing converges, saturates or becomes subnormal
BETAS, EPS = (0.9, 0.999), 1e-8


@dataclass(frozen=True)
class Case:
    """One training step: a dense network, its loss and its optimizer, at one batch size."""

    name: str
    layers: tuple[int, ...]
    batch: int
    activation: Literal["relu", "tanh"]
    loss: Literal["mse", "cross_entropy"]
    optimizer: Literal["sgd", "adam"]
    momentum: float = 0.0

    @property
    def steps_per_call(self) -> int:
        return max(CALL_STEPS, CALL_ROWS // self.batch)

    @property
    def checked_learning_rate(self) -> float:
        """Large enough that an update shows in float32, small enough that rounding is not blown up."""
        return 1e-4 if self.optimizer == "adam" else 1e-3


CASES = {
    case.name: case
    for case in (
        Case("tiny-xor", (2, 8, 1), 4, "tanh", "mse", "sgd"),
        Case("online", (32, 64, 1), 1, "relu", "mse", "sgd"),
        Case("rl-64", (8, 64, 64, 4), 64, "tanh", "mse", "adam"),
        Case("rl-256", (17, 256, 256, 6), 256, "relu", "mse", "adam"),
        Case("tabular", (54, 128, 64, 7), 128, "relu", "cross_entropy", "adam"),
        Case("mnist-small", (784, 128, 10), 32, "relu", "cross_entropy", "sgd"),
        Case("mnist-mid", (784, 512, 512, 10), 128, "relu", "cross_entropy", "adam"),
        Case("mnist-wide", (784, 2048, 2048, 10), 256, "relu", "cross_entropy", "adam"),
        Case("deep-narrow", (64, *[64] * 20, 10), 128, "relu", "cross_entropy", "adam"),
        Case("autoencoder", (784, 256, 32, 256, 784), 128, "relu", "mse", "adam"),
        Case("pinn", (3, *[50] * 8, 1), 1024, "tanh", "mse", "adam"),
        Case("big", (4096, 4096, 4096, 1000), 512, "relu", "cross_entropy", "sgd", momentum=0.9),
    )
}
SLOW = ("rl-256", "mnist-mid", "mnist-wide", "deep-narrow", "big")  # left out of a quick run


@dataclass(frozen=True)
class Problem:
    """What every contender of a case is given: float32, and int64 labels where the loss takes them."""

    case: Case
    x: Array  # (batch, layers[0])
    y: Array  # (batch, layers[-1]), or (batch) of labels
    parameters: tuple[Array, ...]  # weight (out, in), bias (out), layer by layer
    threads: int | None  # None: what a library does by default
    precision: str = "highest"  # of matrix products; only who says so takes less


def first_parameters(case: Case, generator: np.random.Generator) -> tuple[Array, ...]:
    parameters = []
    for fan_in, fan_out in pairwise(case.layers):
        bound = (6 / fan_in if case.activation == "relu" else 6 / (fan_in + fan_out)) ** 0.5
        weight = generator.random((fan_out, fan_in), dtype=np.float32)
        parameters.append((2 * weight - 1) * np.float32(bound))
        parameters.append(generator.uniform(-0.05, 0.05, fan_out).astype(np.float32))
    return tuple(parameters)


def make_problem(case: Case, threads: int, precision: str = "highest") -> Problem:
    generator = np.random.default_rng(zlib.crc32(case.name.encode()))
    x = generator.standard_normal((case.batch, case.layers[0]), dtype=np.float32)
    if case.loss == "mse":
        y: Array = generator.standard_normal((case.batch, case.layers[-1]), dtype=np.float32)
    else:
        y = generator.integers(0, case.layers[-1], case.batch)
    return Problem(case, x, y, first_parameters(case, generator), threads, precision)


def repeated(problem: Problem, steps: int) -> tuple[Array, Array]:
    """The batch, as often as there are steps: the rows for a call that goes through them in order."""
    tiles = (steps,) + (1,) * (problem.y.ndim - 1)
    return np.tile(problem.x, (steps, 1)), np.tile(problem.y, tiles)
