"""JAX: one jitted step with donated state, or a scan over many steps in one call."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .cases import BETAS, EPS, Array, Case, Problem
from .contender import Contender

SCAN_STEPS = 100


def loss_of(case: Case, parameters: list[Any], x: Any, y: Any) -> Any:
    activation = jax.nn.relu if case.activation == "relu" else jnp.tanh
    for weight, bias in parameters[:-1]:
        x = activation(x @ weight + bias)
    output = x @ parameters[-1][0] + parameters[-1][1]
    if case.loss == "mse":
        return jnp.mean((output - y) ** 2)
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(output), y[:, None], axis=1))


def sgd(case: Case, state: dict[str, Any], gradients: list[Any], rate: Any) -> dict[str, Any]:
    if case.momentum:
        gradients = jax.tree.map(lambda v, g: case.momentum * v + g, state["first"], gradients)
        state = state | {"first": gradients}
    return state | {"parameters": jax.tree.map(lambda p, g: p - rate * g, state["parameters"], gradients)}


def adam(state: dict[str, Any], gradients: list[Any], rate: Any) -> dict[str, Any]:
    beta1, beta2 = BETAS
    t = state["t"] + 1
    first = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, state["first"], gradients)
    second = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, state["second"], gradients)
    root = jnp.sqrt(1 - beta2**t)
    scaled = rate * root / (1 - beta1**t)
    parameters = jax.tree.map(
        lambda p, m, v: p - scaled * m / (jnp.sqrt(v) + EPS * root), state["parameters"], first, second
    )
    return {"parameters": parameters, "first": first, "second": second, "t": t}


def step(case: Case, state: dict[str, Any], x: Any, y: Any, rate: Any) -> tuple[dict[str, Any], Any]:
    loss, gradients = jax.value_and_grad(partial(loss_of, case))(state["parameters"], x, y)
    update = adam(state, gradients, rate) if case.optimizer == "adam" else sgd(case, state, gradients, rate)
    return update, loss


class JaxJit(Contender):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.x, self.y = jnp.asarray(problem.x), jnp.asarray(problem.y)
        self.step = jax.jit(partial(step, self.case), donate_argnums=0)

    def reset(self, learning_rate: float) -> None:
        self.rate = jnp.float32(learning_rate)
        self.state = self.first_state()

    def first_state(self) -> dict[str, Any]:
        flat = self.problem.parameters
        parameters = [(jnp.array(w.T), jnp.array(b)) for w, b in zip(flat[::2], flat[1::2], strict=True)]
        state: dict[str, Any] = {"parameters": parameters}
        if self.case.momentum or self.case.optimizer == "adam":
            state["first"] = jax.tree.map(jnp.zeros_like, parameters)
        if self.case.optimizer == "adam":
            state |= {"second": jax.tree.map(jnp.zeros_like, parameters), "t": jnp.float32(0)}
        return state

    def train(self, steps: int) -> None:
        for _ in range(steps):
            self.state, self.last_loss = self.step(self.state, self.x, self.y, self.rate)
        jax.block_until_ready((self.state, self.last_loss))

    def loss(self) -> float:
        return float(self.last_loss)

    def parameters(self) -> list[Array]:
        pairs = self.state["parameters"]
        return [np.array(value) for weight, bias in pairs for value in (weight.T, bias)]


class JaxScan(JaxJit):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.steps_per_call = min(SCAN_STEPS, self.case.steps_per_call)

        def scan(state: dict[str, Any], x: Any, y: Any, rate: Any, length: int) -> tuple[dict[str, Any], Any]:
            return jax.lax.scan(lambda s, _: step(self.case, s, x, y, rate), state, length=length)

        self.scan = jax.jit(scan, static_argnames="length", donate_argnums=0)

    def train(self, steps: int) -> None:
        whole, rest = divmod(steps, self.steps_per_call)
        for length in [self.steps_per_call] * whole + [rest] * (rest > 0):
            self.state, losses = self.scan(self.state, self.x, self.y, self.rate, length=length)
        jax.block_until_ready(self.state)
        self.losses = losses

    def loss(self) -> float:
        return float(self.losses[-1])
