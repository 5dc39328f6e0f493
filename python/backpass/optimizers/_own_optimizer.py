"""Optimizers written in Python: an `update` that composes operations, or a `step` that computes with NumPy."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass import _checks, _core
from backpass._flat import write_flat
from backpass.optimizers._bound import stepped

if TYPE_CHECKING:
    from backpass._types import Array
    from backpass.models._network import Network
    from backpass.optimizers._optimizer import Optimizer

NotFiniteError = _core.NotFiniteError
Update = Callable[[_core.Tensor, _core.Tensor, list[_core.Tensor], _core.Tensor, _core.Tensor], list[_core.Tensor]]


def guarded(step: Callable[[Any, Network], None]) -> Callable[..., None]:
    """A step by hand that is counted, that leaves alone what is frozen, and that is undone where it fails."""

    @functools.wraps(step)
    def whole(self: Optimizer, model: Network | None = None) -> None:
        model = stepped(self, "step") if model is None else model
        native = _checks.model(type(self).__name__, model)._built()
        if name := _first_not_finite(model, model.flat_gradients, model.gradients):
            where = type(self).__name__
            raise NotFiniteError(f'[{where}] nothing was updated: the gradient of "{name}" is not finite')
        before, steps = model.flat_parameters.copy(), self.steps
        try:
            step(self, model)
            if model.frozen:
                _put_back(model, before)
            if _first_not_finite(model, model.flat_parameters, model.parameters):
                raise NotFiniteError(f"[{type(self).__name__}] step left weights that are not finite: it was undone")
        except BaseException:
            write_flat(native, before)
            raise
        if self.steps == steps:
            self._native.count_step(native)

    whole.is_by_hand = True  # type: ignore[attr-defined]
    return whole


def _first_not_finite(model: Network, flat: Array, by_name: Callable[[], Mapping[str, Array]]) -> str:
    """The name of the first parameter that is trained and whose part is not finite; "" where there is none."""
    if np.isfinite(flat).all():
        return ""
    frozen = model.frozen
    return next((name for name, part in by_name().items() if name not in frozen and not np.isfinite(part).all()), "")


def steps_by_hand(optimizer: Optimizer) -> bool:
    """Whether its class, or one above it, has a `step` of its user's."""
    return getattr(type(optimizer).step, "is_by_hand", False)


def _put_back(model: Network, before: Any) -> None:
    begin = 0
    for name, value in model.parameters().items():
        if name in model.frozen:
            value[...] = before[begin : begin + value.size].reshape(value.shape)
        begin += value.size


def update_of(optimizer: Optimizer) -> Update:
    """`update` as the core calls it. The optimizer holds what holds this, so this does not hold the optimizer."""
    held = weakref.ref(optimizer)

    def update(
        weight: _core.Tensor, grad: _core.Tensor, slots: list[_core.Tensor], rate: _core.Tensor, step: _core.Tensor
    ) -> list[_core.Tensor]:
        own = held()
        assert own is not None  # a step is one of its methods, or of a trainer that has it
        named = dict(zip(own.slots, slots, strict=True))
        return _results(own, own.update(weight, grad, named, learning_rate=rate, step=step))

    return update


def _results(own: Optimizer, given: Any) -> list[_core.Tensor]:
    weight, slots = given if isinstance(given, tuple) and len(given) == 2 else (given, {})
    tensors = [weight, *(slots.values() if isinstance(slots, dict) else [slots])]
    if not all(isinstance(part, _core.Tensor) for part in tensors) or set(slots) != set(own.slots):
        wanted = f", and a dict of the new {', '.join(own.slots)}" if own.slots else ""
        raise TypeError(f"[{type(own).__name__}] update must return the new weight{wanted}, got {given!r}")
    return [weight, *(slots[name] for name in own.slots)]
