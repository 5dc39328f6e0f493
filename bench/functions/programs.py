"""The programs, once for all libraries: what differs is where `grad`, `vmap` and `tanh` come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .cases import DESCENT, OPS, RATE, Problem

Function = Callable[..., Any]


@dataclass(frozen=True)
class Library:
    tanh: Function
    mean: Function
    grad: Function
    vmap: Function
    hessian: Function
    hvp: Function  # of f, the parameters, the vector, x and y
    compile: Function  # what a user wraps the whole in
    array: Function  # the library's own form of a NumPy array
    wait: Function  # until a result is there
    init: Function  # the state of Adam, of parameters
    apply: Function  # its step: parameters, gradients and state to parameters and state
    donate: Function | None = None  # `compile` where the first two arguments are given away
    trainer: Function | None = None  # of a problem: the same step by an object that holds the network


def loss_of(library: Library) -> Function:
    def loss(parameters: Any, x: Any, y: Any) -> Any:
        for i in range(0, len(parameters), 2):
            x = x @ parameters[i] + parameters[i + 1]
            x = library.tanh(x) if i + 2 < len(parameters) else x
        return library.mean((x - y) * (x - y))

    return loss


def adam_init(parameters: Any) -> Any:
    zeros = [p * 0.0 for p in parameters]
    return zeros, [p * 0.0 for p in parameters], 0.0


def adam_apply(parameters: Any, gradients: Any, state: Any, betas: tuple[float, float] = (0.9, 0.999)) -> Any:
    """As each of the peers composes it."""
    b1, b2 = betas
    means = [b1 * m + (1 - b1) * g for m, g in zip(state[0], gradients, strict=True)]
    squares = [b2 * v + (1 - b2) * g * g for v, g in zip(state[1], gradients, strict=True)]
    step = state[2] + 1
    rate, root = RATE / (1 - b1**step), (1 - b2**step) ** 0.5
    moved = [p - rate * m / (v**0.5 / root + 1e-8) for p, m, v in zip(parameters, means, squares, strict=True)]
    return moved, (means, squares, step)


def steps(library: Library, loss: Function, compiled: Function, given: list[Any], x: Any, y: Any) -> Function:
    """Each call takes what the one before gave."""

    def step(parameters: Any, state: Any, x: Any, y: Any) -> Any:
        return library.apply(parameters, library.grad(loss)(parameters, x, y), state)

    run, now = compiled(step), (given, library.init(given))

    def next_step() -> Any:
        nonlocal now
        now = library.wait(run(*now, x, y))
        return now[0]

    return next_step


def maml(library: Library, loss: Function) -> Function:
    def adapted(parameters: Any, x: Any, y: Any) -> Any:
        gradients = library.grad(loss)(parameters, x, y)
        stepped = [p - DESCENT * g for p, g in zip(parameters, gradients, strict=True)]
        return loss(stepped, x, y)

    def over_tasks(parameters: Any, x: Any, y: Any) -> Any:
        return library.mean(library.vmap(adapted, (None, 0, 0))(parameters, x, y))

    return library.grad(over_tasks)


def long_chain(library: Library) -> Function:
    """A new function of so many ops: nothing of the last compilation is found again."""

    def chain(start: Any) -> Any:
        x = start
        for _ in range(OPS // 2):
            x = library.tanh(x) + start
        return x

    return library.compile(chain)


def program(library: Library, problem: Problem) -> Function:
    """A function of nothing that does one step and gives its result."""
    loss, name = loss_of(library), problem.case.name
    if name == "step-trainer":
        assert library.trainer
        return library.trainer(problem)
    parameters, vector = ([library.array(a) for a in arrays] for arrays in (problem.parameters, problem.vector))
    x, y = library.array(problem.x), library.array(problem.y)
    if name == "compile":
        return lambda: library.wait(long_chain(library)(x))
    if name == "scalar":
        point = library.array(problem.x[0])
        scalar = library.compile(library.grad(lambda v: library.mean(library.tanh(v) * v)))
        return lambda: library.wait(scalar(point))
    if name.startswith("gradients"):
        f = library.compile(library.vmap(library.grad(loss), (None, 0, 0)))
        return lambda: library.wait(f(parameters, x, y))
    if name.startswith("step"):
        compiled = library.donate if name == "step-donated" else library.compile
        assert compiled
        return steps(library, loss, compiled, [p * 1.0 for p in parameters], x, y)
    if name == "hvp":
        f = library.compile(library.hvp(loss))
        return lambda: library.wait(f(parameters, vector, x, y))
    made = {"hessian": library.hessian, "gradient": library.grad, "maml": lambda of: maml(library, of)}[name](loss)
    f = library.compile(made)
    return lambda: library.wait(f(parameters, x, y))
