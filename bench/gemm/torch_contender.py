"""PyTorch, into a given tensor."""

from __future__ import annotations

import torch

from ..train.torch_contender import reduced_products
from .cases import Array, Problem
from .contender import Contender


class Torch(Contender):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        torch.set_num_threads(problem.threads)
        self.a, self.b = (torch.from_numpy(operand) for operand in problem.operands())
        self.product = torch.from_numpy(self.out)

    @torch.inference_mode()
    def run(self, times: int) -> None:
        multiply = torch.mm if self.product.dim() == 2 else torch.bmm
        for _ in range(times):
            multiply(self.a, self.b, out=self.product)


class TorchReduced(Torch):
    """With the setting of float32 products that stands for the precision asked for."""

    def run(self, times: int) -> None:
        with reduced_products(self.problem.precision):
            super().run(times)


class TorchBf16(Torch):
    """On operands that lie in bfloat16 already, with a result in bfloat16: less than what others do."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.a, self.b = self.a.bfloat16(), self.b.bfloat16()
        self.product = self.product.bfloat16()

    def result(self) -> Array:
        return self.product.float().numpy()
