"""PyTorch without autograd: a backward written by hand, out= everywhere, and the fused update on flat parameters."""

from __future__ import annotations

import torch

from .cases import BETAS, EPS, Array, Problem
from .contender import Contender
from .torch_contender import reduced_products

aten = torch.ops.aten


def views(flat: torch.Tensor, like: tuple[Array, ...]) -> list[torch.Tensor]:
    parts = flat.split([p.size for p in like])
    return [part.view(p.shape) for part, p in zip(parts, like, strict=True)]


class TorchByHand(Contender):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        torch.set_num_threads(problem.threads)
        case, n = self.case, sum(p.size for p in problem.parameters)
        self.x, self.y = torch.from_numpy(problem.x), torch.from_numpy(problem.y)
        self.flat, self.flat_gradient, self.first, self.second = (torch.zeros(n) for _ in range(4))
        self.values = views(self.flat, problem.parameters)
        self.transposed = [w.T for w in self.values[::2]]
        self.gradients = views(self.flat_gradient, problem.parameters)
        self.outputs = [torch.empty(case.batch, width) for width in case.layers[1:]]
        self.deltas = [torch.empty_like(a) for a in self.outputs]
        self.deltas_t = [delta.T for delta in self.deltas]
        self.count = torch.tensor(0.0)
        self.last_loss = torch.tensor(0.0)
        if case.loss == "cross_entropy":
            self.one_hot = torch.nn.functional.one_hot(self.y, case.layers[-1]).float()

    def reset(self, learning_rate: float) -> None:
        self.learning_rate, self.started = learning_rate, False
        for value, first in zip(self.values, self.problem.parameters, strict=True):
            value.copy_(torch.from_numpy(first))
        for state in (self.first, self.second, self.count):
            state.zero_()

    @torch.inference_mode()
    def train(self, steps: int) -> None:
        criterion = self.mse if self.case.loss == "mse" else self.cross_entropy
        update = self.adam if self.case.optimizer == "adam" else self.sgd
        for _ in range(steps):
            self.forward()
            criterion()
            self.backward()
            update()

    def loss(self) -> float:
        return self.last_loss.item()

    def parameters(self) -> list[Array]:
        return [value.numpy().copy() for value in self.values]

    def forward(self) -> None:
        a, last = self.x, len(self.outputs) - 1
        for i, z in enumerate(self.outputs):
            torch.addmm(self.values[2 * i + 1], a, self.transposed[i], out=z)
            if i < last:
                torch.relu_(z) if self.case.activation == "relu" else torch.tanh_(z)
            a = z

    def mse(self) -> None:
        delta = torch.sub(self.outputs[-1], self.y, out=self.deltas[-1])
        flat = delta.view(-1)
        self.last_loss = torch.dot(flat, flat) / flat.numel()
        delta.mul_(2 / flat.numel())

    def cross_entropy(self) -> None:
        log_p, delta = self.outputs[-1], self.deltas[-1]
        aten._log_softmax.out(log_p, 1, False, out=log_p)
        self.last_loss, _ = aten.nll_loss_forward(log_p, self.y, None, 1, -100)
        torch.exp(log_p, out=delta).sub_(self.one_hot).mul_(1 / len(delta))

    def backward(self) -> None:
        relu = self.case.activation == "relu"
        for i in range(len(self.deltas) - 1, -1, -1):
            a = self.outputs[i - 1] if i > 0 else self.x
            torch.mm(self.deltas_t[i], a, out=self.gradients[2 * i])
            torch.sum(self.deltas[i], 0, out=self.gradients[2 * i + 1])
            if i > 0:
                below = torch.mm(self.deltas[i], self.values[2 * i], out=self.deltas[i - 1])
                if relu:
                    aten.threshold_backward.grad_input(below, a, 0, grad_input=below)
                else:
                    aten.tanh_backward.grad_input(below, a, grad_input=below)

    def adam(self) -> None:
        self.count += 1
        torch._fused_adam_(
            [self.flat], [self.flat_gradient], [self.first], [self.second], [], [self.count],
            lr=self.learning_rate, beta1=BETAS[0], beta2=BETAS[1], weight_decay=0.0, eps=EPS,
            amsgrad=False, maximize=False,
        )  # fmt: skip

    def sgd(self) -> None:
        torch._fused_sgd_(
            [self.flat], [self.flat_gradient], [self.first] if self.case.momentum else [],
            lr=self.learning_rate, momentum=self.case.momentum, weight_decay=0.0, dampening=0.0,
            nesterov=False, maximize=False, is_first_step=not self.started,
        )  # fmt: skip
        self.started = True


class TorchByHandReduced(TorchByHand):
    """With the setting of float32 products that stands for the precision asked for."""

    def train(self, steps: int) -> None:
        with reduced_products(self.problem.precision):
            super().train(steps)
