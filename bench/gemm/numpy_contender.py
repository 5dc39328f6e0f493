"""NumPy, into a given array."""

from __future__ import annotations

import numpy as np

from .contender import Contender


class NumPy(Contender):
    def run(self, times: int) -> None:
        a, b = self.problem.operands()
        for _ in range(times):
            np.matmul(a, b, out=self.out)
