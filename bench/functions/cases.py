"""What is transformed: the networks, their arrays, and how many ops the long graph has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

OPS, DESCENT, RATE = 1000, 0.1, 1e-3  # of the graph that is compiled; the inner step of MAML; that of Adam


@dataclass(frozen=True)
class Case:
    name: str
    sizes: tuple[int, ...] = (3, 4, 1)  # of the layers, tanh between them
    rows: int = 1
    tasks: int = 1


CASES = {
    case.name: case
    for case in (
        Case("gradients-small", (8, 16, 4), rows=128),  # of each row
        Case("gradients-mid", (64, 128, 128, 10), rows=128),
        Case("hessian", (8, 18, 2), rows=32),  # 200 parameters
        Case("maml", (1, 40, 40, 1), rows=10, tasks=16),
        Case("hvp", (64, 128, 128, 10), rows=128),
        Case("gradient", (64, 128, 128, 10), rows=128),  # what hvp is measured by
        Case("step", (784, 128, 10), rows=128),  # of Adam, parameters and state in and out
        Case("step-donated", (784, 128, 10), rows=128),  # which the results may be written over
        Case("step-trainer", (784, 128, 10), rows=128),  # what both are measured by
        Case("scalar"),  # the cost of a call
        Case("compile"),
    )
}
SLOW = ("compile",)
LEFT_OUT = {
    "compile": ("torch",),  # torch.func runs op by op: it compiles nothing
    "step-donated": ("torch",),
    "step-trainer": ("torch", "jax"),
}


@dataclass(frozen=True)
class Problem:
    case: Case
    parameters: list[np.ndarray]  # weight, bias, weight, ... as (inputs, outputs)
    vector: list[np.ndarray]
    x: np.ndarray  # (tasks, rows, inputs) in maml, otherwise (rows, inputs)
    y: np.ndarray


def make_problem(case: Case, dtype: str = "float32") -> Problem:
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32).astype(dtype)  # the same numbers in both types

    def arrays() -> list[np.ndarray]:
        pairs = zip(case.sizes, case.sizes[1:], strict=False)
        return [array for m, n in pairs for array in (draw(m, n) / np.sqrt(m).astype(dtype), draw(n))]

    leading = (case.tasks, case.rows) if case.name == "maml" else (case.rows,)
    return Problem(case, arrays(), arrays(), draw(*leading, case.sizes[0]), draw(*leading, case.sizes[-1]))
