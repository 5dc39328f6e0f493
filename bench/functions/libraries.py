"""The same few names in each library, in its fastest ordinary setting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import backpass as bp

from .programs import Library


def same(value: Any) -> Any:
    return value


def backpass() -> Library:
    def hvp(f: Any) -> Any:
        product = bp.hvp(f)
        return lambda parameters, vector, x, y: product(parameters, x, y, vector)

    return Library(bp.tanh, bp.mean, bp.grad, bp.vmap, bp.hessian, hvp, bp.compile, same, same)


def torch() -> Library:
    import torch
    from torch.func import grad, hessian, jvp, vmap

    def hvp(f: Any) -> Any:
        return lambda p, v, x, y: jvp(lambda at: grad(f)(at, x, y), (p,), (v,))[1]

    return Library(torch.tanh, torch.mean, grad, vmap, hessian, hvp, same, torch.from_numpy, same)


def jax() -> Library:
    import jax
    import jax.numpy as jnp

    def hvp(f: Any) -> Any:
        return lambda p, v, x, y: jax.jvp(lambda at: jax.grad(f)(at, x, y), (p,), (v,))[1]

    return Library(jnp.tanh, jnp.mean, jax.grad, jax.vmap, jax.hessian, hvp, jax.jit, jnp.asarray,
                   jax.block_until_ready)  # fmt: skip


LIBRARIES: dict[str, Callable[[], Library]] = {"backpass": backpass, "torch": torch, "jax": jax}


def leaves(result: Any) -> list[np.ndarray]:
    """The arrays of nested lists, in order."""
    if isinstance(result, list | tuple):
        return [array for part in result for array in leaves(part)]
    return [np.asarray(result)]
