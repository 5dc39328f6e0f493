"""Proof, before anything is timed, that a contender computes what the reference computes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import reference
from .cases import Array, Problem
from .contender import Contender

STEPS = 3


@dataclass(frozen=True)
class Tolerance:
    """What may differ from the reference, relative, after STEPS steps.

    change: of an array's change, in norm. Sound float32 programs were seen to differ by up to 7e-3, where rounding
    decided on which side of zero a ReLU was; a missing update is off by 1, a momentum of 0.8 for 0.9 by 0.07.
    settled: gradients below this part of their root mean square are left out with Adam (see `settled`).
    """

    loss: float
    change: float
    settled: float


# By precision: products of two bfloat16 parts are off by 2^-16, of one by 2^-8.
TOLERANCES = {
    "highest": Tolerance(2e-5, 3e-2, 1e-3),
    "high": Tolerance(2e-4, 6e-2, 1e-2),
    "medium": Tolerance(1e-1, 3e-1, 1e-1),
}


@dataclass(frozen=True)
class Reference:
    """What the float64 reference found in STEPS steps."""

    losses: list[float]
    changes: list[Array]  # of every parameter array
    compared: list[Array]  # which elements of it are compared

    @classmethod
    def of(cls, problem: Problem, eps_hat: bool) -> Reference:
        rate = problem.case.checked_learning_rate
        losses, after, gradients = reference.train(problem, rate, STEPS, eps_hat)
        changes = [a - first for a, first in zip(after, problem.parameters, strict=True)]
        return cls(losses, changes, [settled(problem, g) for g in gradients])


def settled(problem: Problem, gradient: Array) -> Array:
    """Where rounding cannot decide the sign of a gradient.

    Adam's first steps are as long as the learning rate, however small the gradient is: elsewhere the sign is all.
    """
    if problem.case.optimizer == "sgd":
        return np.ones(gradient.shape, bool)
    smallest = TOLERANCES[problem.precision].settled
    return np.abs(gradient) >= smallest * np.sqrt(np.mean(gradient**2))


@dataclass(frozen=True)
class Proof:
    loss_error: float  # relative
    change_error: float  # of the worst parameter array, relative, beyond what rounding the parameters explains
    tolerance: Tolerance

    @property
    def holds(self) -> bool:
        return self.loss_error <= self.tolerance.loss and self.change_error <= self.tolerance.change  # false for nan


def change_error(after: Array, first: Array, change: Array, compared: Array) -> float:
    """How far an array's change is from the reference's; its value would hide a wrong update."""
    error = np.linalg.norm(((after - first.astype(np.float64)) - change)[compared])
    rounding = STEPS * np.finfo(np.float32).eps * np.linalg.norm(first)
    return float(np.maximum(error - rounding, 0) / np.linalg.norm(change[compared]))


def prove(contender: Contender, expected: Reference) -> Proof:
    """Compares the loss, and how every parameter array changed."""
    problem = contender.problem
    contender.reset(problem.case.checked_learning_rate)
    contender.train(STEPS)
    arrays = zip(contender.parameters(), problem.parameters, expected.changes, expected.compared, strict=True)
    worst = float(np.max([change_error(*array) for array in arrays]))  # nan stays
    loss = float(np.mean(expected.losses)) if contender.loss_is_mean else expected.losses[-1]
    return Proof(abs(contender.loss() - loss) / abs(loss), worst, TOLERANCES[problem.precision])
