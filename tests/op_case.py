"""An op under test."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class OpCase:
    """An op: how it is built from tensors, what it computes, and inputs in its domain.

    `build(*tensors)` and `reference(*arrays)` take as many arguments as there are shapes; `torch(torch, *tensors)`
    says the same in PyTorch, by default by the reference's own operators. Elements are drawn from [low, high); those of
    an op with a kink (at 0, or where its inputs are equal) keep away from it with `off_kinks`.
    """

    name: str
    build: object
    reference: object
    shapes: tuple = ((3, 5),)
    low: float = -2.0
    high: float = 2.0
    off_kinks: bool = False
    torch: object = None

    def inputs(self, rng, shapes=None):
        drawn = [rng.uniform(self.low, self.high, shape) for shape in shapes or self.shapes]
        return [off_kinks(values, at) for at, values in enumerate(drawn)] if self.off_kinks else drawn


def off_kinks(values, at):
    """Moved to a grid of its own: 0.1 or more from zero, and from the values of other inputs."""
    return np.floor(2 * values) / 2 + 0.1 * (at + 1)
