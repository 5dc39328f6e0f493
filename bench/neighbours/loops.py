"""The loops of ours that are timed: steps, predictions, by hand, fit; each at a number of threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import backpass as bp

from ..train.backpass_contender import Backpass, BackpassFit, BackpassStep
from ..train.cases import TIMED_LEARNING_RATE, Problem


@contextmanager
def by_default(threads: int) -> Iterator[None]:
    """What calls use that take no number: put back, since loops take turns."""
    before = bp.get_threads()
    bp.set_threads(threads)
    try:
        yield
    finally:
        bp.set_threads(before)


class Predict(Backpass):
    def train(self, steps: int) -> None:
        for _ in range(steps):
            self.model.predict(self.problem.x, threads=self.problem.threads)


class ByHand(Backpass):
    def train(self, steps: int) -> None:
        model, criterion, x, y = self.model, self.criterion, self.problem.x, self.problem.y
        with by_default(self.problem.threads or bp.get_threads()):
            for _ in range(steps):
                self.last_loss, gradient = criterion.value_and_grad(model.forward(x, training=True), y)
                model.zero_grad()
                model.backward(gradient)
                self.optimizer.step(model)


LOOPS = {"step": BackpassStep, "predict": Predict, "by hand": ByHand, "fit": BackpassFit}


def loop(name: str, problem: Problem, threads: int) -> Backpass:
    contender = LOOPS[name](replace(problem, threads=threads))
    contender.reset(TIMED_LEARNING_RATE)
    return contender
