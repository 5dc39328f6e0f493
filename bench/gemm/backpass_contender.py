"""backpass: a plan that holds one product, run from Python for each, or for many as a fit runs its steps."""

from __future__ import annotations

from backpass import _core

from .cases import Problem
from .contender import Contender


class BackpassCall(Contender):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        transposes, precision = problem.case.transposes, problem.precision
        if problem.case.dtype == "float64":
            precision = "highest"
        self.product = _core.MatrixProduct(problem.a, problem.b, self.out, *transposes, precision, problem.threads)

    def run(self, times: int) -> None:
        run = self.product.run
        for _ in range(times):
            run(1)


class BackpassPlan(BackpassCall):
    def run(self, times: int) -> None:
        self.product.run(times)
