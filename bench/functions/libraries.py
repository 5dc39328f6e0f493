"""The same few names in each library, in its fastest ordinary setting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import backpass as bp

from .cases import RATE, Problem
from .programs import Library, adam_apply, adam_init


def same(value: Any) -> Any:
    return value


def backpass() -> Library:
    def hvp(f: Any) -> Any:
        product = bp.hvp(f)
        return lambda parameters, vector, x, y: product(parameters, x, y, vector)

    def donate(f: Any) -> Any:
        return bp.compile(f, donate_argnums=(0, 1))

    adam = bp.Adam(RATE)
    return Library(bp.tanh, bp.mean, bp.grad, bp.vmap, bp.hessian, hvp, bp.compile, same, same, adam.init, adam.apply,
                   donate, trainer)  # fmt: skip


def trainer(problem: Problem) -> Any:
    inputs, *units = problem.case.sizes
    layers = [bp.Dense(n, activation="tanh") for n in units[:-1]]
    net = bp.Sequential(*layers, bp.Dense(units[-1]), input_shape=(inputs,), dtype=str(problem.x.dtype))
    places = list(net.parameters().values())
    for place, array in zip(places, problem.parameters, strict=True):
        place[:] = array.T  # of a weight: (outputs, inputs)
    made = bp.Trainer(net, bp.MSE(), bp.Adam(RATE))

    def step() -> Any:
        made.step(problem.x, problem.y)
        return [place.T for place in places]

    return step


def torch() -> Library:
    import torch
    from torch.func import grad, hessian, jvp, vmap

    def hvp(f: Any) -> Any:
        return lambda p, v, x, y: jvp(lambda at: grad(f)(at, x, y), (p,), (v,))[1]

    return Library(torch.tanh, torch.mean, grad, vmap, hessian, hvp, same, torch.from_numpy, same,
                   adam_init, adam_apply)  # fmt: skip


def jax() -> Library:
    import jax
    import jax.numpy as jnp

    def hvp(f: Any) -> Any:
        return lambda p, v, x, y: jax.jvp(lambda at: jax.grad(f)(at, x, y), (p,), (v,))[1]

    return Library(jnp.tanh, jnp.mean, jax.grad, jax.vmap, jax.hessian, hvp, jax.jit, jnp.asarray,
                   jax.block_until_ready, adam_init, adam_apply,
                   lambda f: jax.jit(f, donate_argnums=(0, 1)))  # fmt: skip


LIBRARIES: dict[str, Callable[[], Library]] = {"backpass": backpass, "torch": torch, "jax": jax}


def leaves(result: Any) -> list[np.ndarray]:
    """The arrays of nested lists, in order."""
    if isinstance(result, list | tuple):
        return [array for part in result for array in leaves(part)]
    return [np.asarray(result)]
