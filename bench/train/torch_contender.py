"""PyTorch as its tutorials write it, with the fused optimizers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import nn

from .cases import BETAS, EPS, Array, Problem
from .contender import Contender

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}
LOSSES = {"mse": nn.MSELoss, "cross_entropy": nn.CrossEntropyLoss}


@contextmanager
def reduced_products(precision: str) -> Iterator[None]:
    """PyTorch keeps this for the whole process: it is put back, since contenders take turns."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


class TorchEager(Contender):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        torch.set_num_threads(problem.threads)
        self.x, self.y = torch.from_numpy(problem.x), torch.from_numpy(problem.y)
        modules: list[nn.Module] = []
        for fan_in, fan_out in pairwise(self.case.layers):
            modules += [nn.Linear(fan_in, fan_out), ACTIVATIONS[self.case.activation]()]
        self.model = nn.Sequential(*modules[:-1])
        self.criterion = LOSSES[self.case.loss]()

    def reset(self, learning_rate: float) -> None:
        with torch.no_grad():
            for parameter, first in zip(self.model.parameters(), self.problem.parameters, strict=True):
                parameter.copy_(torch.from_numpy(first))
        parameters = list(self.model.parameters())
        self.optimizer: torch.optim.Optimizer
        if self.case.optimizer == "adam":
            self.optimizer = torch.optim.Adam(parameters, learning_rate, BETAS, EPS, fused=True)
        else:
            self.optimizer = torch.optim.SGD(parameters, learning_rate, self.case.momentum, fused=True)

    def train(self, steps: int) -> None:
        for _ in range(steps):
            self.optimizer.zero_grad(set_to_none=True)
            self.last_loss = self.criterion(self.model(self.x), self.y)
            self.last_loss.backward()
            self.optimizer.step()

    def loss(self) -> float:
        return self.last_loss.item()

    def parameters(self) -> list[Array]:
        return [parameter.detach().numpy().copy() for parameter in self.model.parameters()]


class TorchEagerReduced(TorchEager):
    """With the setting of float32 products that stands for the precision asked for."""

    def train(self, steps: int) -> None:
        with reduced_products(self.problem.precision):
            super().train(steps)


class TorchEagerBf16(TorchEager):
    """With what autocast makes of the forward pass, and with it of the backward."""

    def train(self, steps: int) -> None:
        for _ in range(steps):
            self.optimizer.zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16):
                output = self.model(self.x)
            self.last_loss = self.criterion(output.float(), self.y)
            self.last_loss.backward()
            self.optimizer.step()
