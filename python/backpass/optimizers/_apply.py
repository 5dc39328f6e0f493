"""Steps of optimizers as pure functions of parameters, gradients and state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from backpass import _core, tree
from backpass.functions._transform import Transform, as_tensor, expect_leaves, real_dtype

if TYPE_CHECKING:
    from backpass.optimizers._optimizer import Optimizer


def first_state(optimizer: Optimizer, parameters: Any) -> dict[str, Any]:
    """What `Optimizer.init` gives."""
    native = optimizer._native
    first = [native.initial()] + [0.0] * len(native.slots())
    slots = {
        name: tree.map(lambda leaf, value=value: filled(leaf, value), parameters)
        for name, value in zip(native.slots(), first, strict=False)
    }
    return {"steps": np.zeros((), np.int32), "slots": slots}


def filled(leaf: Any, value: float) -> Any:
    """Like a parameter, with one value in every element."""
    if isinstance(leaf, _core.Tensor):
        return _core.constant(value, leaf.shape, leaf.dtype)
    array = np.asarray(leaf)
    return np.full(array.shape, value, array.dtype if array.dtype.kind == "f" else np.float32)


def names_of(parameters: Any) -> list[str]:
    """Names of the leaves: the keys, fields and positions that lead to each, with dots between them."""

    def of(structure: tree.Structure, before: list[str]) -> list[str]:
        if structure.kind == "leaf":
            return [".".join(before)]
        keys = structure.aux if structure.kind == "dict" else fields(structure)
        return [
            name for key, child in zip(keys, structure.children, strict=True) for name in of(child, [*before, str(key)])
        ]

    def fields(structure: tree.Structure) -> Any:
        made, names = structure.aux or (None, ())
        return names or getattr(made, "_fields", range(len(structure.children)))

    return of(tree.structure(parameters), [])


class Apply(Transform):
    """`Optimizer.apply` of an optimizer."""

    def __init__(self, optimizer: Optimizer) -> None:
        def apply(parameters: Any, gradients: Any, state: Any) -> Any:
            return applied(optimizer, parameters, gradients, state)

        super().__init__(apply)

    def _symbolic(self, *args: Any, **kwargs: Any) -> Any:
        return self._f(*args, **kwargs)


def applied(optimizer: Optimizer, parameters: Any, gradients: Any, state: Any) -> tuple[Any, dict[str, Any]]:
    """What `Optimizer.apply` gives, of tensors."""
    where = type(optimizer).__name__
    names = optimizer._native.slots()
    if not (isinstance(state, dict) and {*state} == {"steps", "slots"} and {*state["slots"]} == {*names}):
        raise ValueError(f"[{where}] state must be what init or apply gave, got {state!r:.60}")
    leaves, structure = tree.flatten(parameters)
    dtype = real_dtype((parameters, gradients, state["slots"]))
    weights = [as_tensor(leaf, dtype) for leaf in leaves]
    grads = expect_leaves(where, "gradients", structure, gradients, dtype)
    slots = [expect_leaves(where, f"slot {name}", structure, state["slots"][name], dtype) for name in names]
    steps = state["steps"]
    if not isinstance(steps, _core.Tensor):
        eager = any(each.is_eager for each in (*weights, *grads))
        steps = _core.tensor(steps, "int32", False) if eager else _core.constant(float(steps), (), "int32")
    moved, slots, steps = optimizer._native.apply(names_of(parameters), weights, grads, slots, steps)
    kept = {name: tree.unflatten(structure, slot) for name, slot in zip(names, slots, strict=True)}
    return tree.unflatten(structure, moved), {"steps": steps, "slots": kept}
