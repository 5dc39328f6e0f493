"""Predictions for one row and for many, against peers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from ..measure import Effort, Run, interleaved
from ..table import SPEEDUP, Table, microseconds, times_as_fast
from ..train.cases import Array, Problem, make_problem

CASES = ("tabular", "mnist-mid")
TOLERANCE = 1e-4  # relative, in norm, of float32 against float64
PRECISE = {"highest": TOLERANCE, "high": 1e-3, "medium": 5e-2}
Predict = Callable[[], Array]


def backpass(problem: Problem) -> Predict:
    from ..train.backpass_contender import BackpassStep

    contender = BackpassStep(problem)
    contender.reset(0.1)
    return lambda: contender.model.predict(problem.x)


def numpy(problem: Problem) -> Predict:
    layers = list(zip(problem.parameters[::2], problem.parameters[1::2], strict=True))
    values = [np.empty((len(problem.x), len(bias)), np.float32) for _, bias in layers]

    def predict() -> Array:
        a = problem.x
        for (weight, bias), z in zip(layers, values, strict=True):
            np.matmul(a, weight.T, out=z)
            z += bias
            if z is not values[-1]:
                np.maximum(z, 0, out=z)
            a = z
        return a

    return predict


def torch(problem: Problem) -> Predict:
    from ..train.torch_contender import TorchEager

    contender = TorchEager(problem)
    contender.reset(0.1)
    inference = __import__("torch").inference_mode()

    def predict() -> Array:
        with inference:
            return contender.model(contender.x).numpy()

    return predict


def sklearn(problem: Problem) -> Predict:
    from ..train.sklearn_contender import ScikitLearn

    x, y = problem.x[:128], problem.y[:128]
    contender = ScikitLearn(replace(problem, case=replace(problem.case, batch=len(x)), x=x, y=y))
    contender.reset(0.1)
    return lambda: contender.model._forward_pass_fast(problem.x, check_input=False)


PREDICTORS = {"backpass": backpass, "numpy": numpy, "torch": torch, "sklearn": sklearn}


def expected(problem: Problem) -> Array:
    a = problem.x.astype(np.float64)
    for weight, bias in zip(problem.parameters[::2], problem.parameters[1::2], strict=True):
        z = a @ weight.T.astype(np.float64) + bias
        a = np.maximum(z, 0)
    return z


def repeated(predict: Predict) -> Run:
    def run(times: int) -> None:
        for _ in range(times):
            predict()

    return run


def measure(problem: Problem, names: list[str], effort: Effort | None) -> dict[str, Any]:
    """Scikit-learn gives probabilities where there are classes: its softmax is the reference's."""
    right = expected(problem)
    exp = np.exp(right - right.max(axis=1, keepdims=True))
    ready, errors = {}, {}
    for name in names:
        predict = PREDICTORS[name](problem)
        target = exp / exp.sum(axis=1, keepdims=True) if name == "sklearn" else right
        errors[name] = float(np.linalg.norm(predict() - target) / np.linalg.norm(target))
        if errors[name] <= PRECISE[problem.precision]:
            ready[name] = repeated(predict)
    timings = interleaved(ready, dict.fromkeys(ready, 1), effort) if effort else {}
    return {"errors": errors, "timings": {name: asdict(timing) for name, timing in timings.items()}}


def problems(names: tuple[str, ...], rows: int, threads: int, precision: str) -> list[Problem]:
    from ..train.cases import CASES as NETWORKS

    return [make_problem(replace(NETWORKS[name], batch=rows), threads, precision) for name in names]


def table(names: list[str]) -> Table:
    note = f"Median microseconds of a call. {SPEEDUP}"
    return Table("Predictions", ["case and rows", *names, "speedup"], note, first=20)


def row(label: str, names: list[str], found: dict[str, Any]) -> list[str]:
    medians = {name: timing["median"] for name, timing in found["timings"].items()}
    peers = [median for name, median in medians.items() if name != "backpass"]
    cells = [microseconds(medians[name]) if name in medians else "WRONG" for name in names]
    return [label, *cells, times_as_fast(min(peers) / medians["backpass"] if peers and "backpass" in medians else None)]
