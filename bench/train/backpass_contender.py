"""backpass: a loop of Trainer.step, and fit with many batches in one call."""

from __future__ import annotations

import backpass as bp

from .cases import BETAS, EPS, Array, Problem, repeated
from .contender import Contender

LOSSES = {"mse": bp.MSE, "cross_entropy": bp.CrossEntropy}


class Backpass(Contender):
    optimizer: bp.SGD | bp.Adam
    last_loss: float

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        layers, activation = self.case.layers, self.case.activation
        hidden = [bp.Dense(units, activation=activation) for units in layers[1:-1]]
        self.model = bp.Sequential(*hidden, bp.Dense(layers[-1]), input_shape=layers[0], seed=0,
                                   precision=problem.precision)  # fmt: skip
        self.criterion = LOSSES[self.case.loss]()

    def reset(self, learning_rate: float) -> None:
        for value, first in zip(self.model.parameters().values(), self.problem.parameters, strict=True):
            value[...] = first
        if self.case.optimizer == "adam":
            self.optimizer = bp.Adam(learning_rate, betas=BETAS, eps=EPS)
        else:
            self.optimizer = bp.SGD(learning_rate, momentum=self.case.momentum)
        self.trainer = bp.Trainer(self.model, self.criterion, self.optimizer, threads=self.problem.threads)

    def loss(self) -> float:
        return self.last_loss

    def work(self) -> tuple[float, float]:
        """Of a step: floating-point operations, and the bytes that its calls read and write."""
        calls = self.trainer.plan(self.case.batch).calls
        return sum(call.flops for call in calls), sum(call.bytes for call in calls)

    def parameters(self) -> list[Array]:
        return [value.copy() for value in self.model.parameters().values()]


class BackpassStep(Backpass):
    def train(self, steps: int) -> None:
        step, x, y = self.trainer.step, self.problem.x, self.problem.y
        for _ in range(steps):
            self.last_loss = step(x, y)


class BackpassEager(Backpass):
    """The loop of PyTorch's tutorials, with eager tensors, which are made before it."""

    loss_tensor: bp.Tensor

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.x, self.y = bp.tensor(problem.x), bp.tensor(problem.y)

    def reset(self, learning_rate: float) -> None:
        super().reset(learning_rate)
        self.own = bp.SGD(self.model, lr=learning_rate, momentum=self.case.momentum)
        if self.case.optimizer == "adam":
            self.own = bp.Adam(self.model, lr=learning_rate, betas=BETAS, eps=EPS)

    def train(self, steps: int) -> None:
        model, criterion, optimizer, x, y = self.model, self.criterion, self.own, self.x, self.y
        for _ in range(steps):
            optimizer.zero_grad()
            self.loss_tensor = criterion(model(x), y)
            self.loss_tensor.backward()
            optimizer.step()

    def loss(self) -> float:
        return self.loss_tensor.item()


class BackpassFit(Backpass):
    loss_is_mean = True

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.steps_per_call = self.case.steps_per_call
        self.data = repeated(problem, self.steps_per_call)

    def train(self, steps: int) -> None:
        whole, rest = divmod(steps, self.steps_per_call)
        for _ in range(whole):
            self.fit(*self.data)
        if rest:
            self.fit(*repeated(self.problem, rest))

    def fit(self, x: Array, y: Array) -> None:
        history = self.model.fit(
            x,
            y,
            loss=self.criterion,
            optimizer=self.optimizer,
            batch_size=self.case.batch,
            shuffle=False,
            progress=False,
            threads=self.problem.threads,
        )
        self.last_loss = float(history["loss"][-1])
