"""PyTorch with the whole step, gradient and update included, compiled into one graph."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch.nn import functional

from .cases import BETAS, EPS, Array, Case, Problem
from .contender import Contender
from .torch_contender import reduced_products

Tensors = list[torch.Tensor]


def loss_of(case: Case, parameters: Tensors, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    activation = torch.relu if case.activation == "relu" else torch.tanh
    for weight, bias in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
        x = activation(functional.linear(x, weight, bias))
    output = functional.linear(x, parameters[-2], parameters[-1]).float()  # autocast leaves bfloat16
    return functional.mse_loss(output, y) if case.loss == "mse" else functional.cross_entropy(output, y)


class TorchCompile(Contender):
    bf16: ClassVar[bool] = False

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        torch.set_num_threads(problem.threads)
        torch._dynamo.reset()
        case = self.case
        self.x, self.y = torch.from_numpy(problem.x), torch.from_numpy(problem.y)
        self.values = [torch.empty(p.shape) for p in problem.parameters]
        self.first = [torch.zeros_like(p) for p in self.values]
        self.second = [torch.zeros_like(p) for p in self.values] if case.optimizer == "adam" else []
        self.rate, self.count = torch.tensor(0.0), torch.tensor(0.0)

        def loss(p: Tensors, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
                return loss_of(case, p, x, y)

        gradients_and_loss = torch.func.grad_and_value(loss)

        def step(values: Tensors, first: Tensors, second: Tensors, rate: torch.Tensor, count: torch.Tensor,
                 x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:  # fmt: skip
            gradients, loss = gradients_and_loss(values, x, y)
            if case.optimizer == "adam":
                adam(values, gradients, first, second, rate, count)
            else:
                sgd(case, values, gradients, first, rate)
            return loss

        self.step = torch.compile(step, fullgraph=True, dynamic=False)

    def reset(self, learning_rate: float) -> None:
        self.rate.fill_(learning_rate)
        for value, first in zip(self.values, self.problem.parameters, strict=True):
            value.copy_(torch.from_numpy(first))
        for state in (self.count, *self.first, *self.second):
            state.zero_()

    @torch.no_grad()
    def train(self, steps: int) -> None:
        for _ in range(steps):
            self.last_loss = self.step(self.values, self.first, self.second, self.rate, self.count, self.x, self.y)

    def loss(self) -> float:
        return self.last_loss.item()

    def parameters(self) -> list[Array]:
        return [value.numpy().copy() for value in self.values]


class TorchCompileReduced(TorchCompile):
    """With the setting of float32 products that stands for the precision asked for."""

    def train(self, steps: int) -> None:
        with reduced_products(self.problem.precision):
            super().train(steps)


class TorchCompileBf16(TorchCompile):
    """With what autocast makes of the forward pass, and with it of the backward."""

    bf16 = True


def sgd(case: Case, values: Tensors, gradients: Tensors, first: Tensors, rate: torch.Tensor) -> None:
    for p, g, v in zip(values, gradients, first, strict=True):
        if case.momentum:
            g = v.mul_(case.momentum).add_(g)
        p.sub_(rate * g)


def adam(values: Tensors, gradients: Tensors, first: Tensors, second: Tensors, rate: torch.Tensor,
         count: torch.Tensor) -> None:  # fmt: skip
    beta1, beta2 = BETAS
    count += 1
    root = torch.sqrt(1 - torch.pow(beta2, count))
    scaled = rate * root / (1 - torch.pow(beta1, count))
    for p, g, m, v in zip(values, gradients, first, second, strict=True):
        m.lerp_(g, 1 - beta1)
        v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        p.sub_(scaled * m / (v.sqrt() + EPS * root))
