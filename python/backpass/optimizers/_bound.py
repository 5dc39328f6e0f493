"""Optimizers that know what they step, as in PyTorch and Keras: `Adam(model.parameters(), lr=1e-3)`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass import _checks, _core
from backpass._joined import Joined, Parameters, is_module, joined_of
from backpass._views import Views

if TYPE_CHECKING:
    from backpass.optimizers._optimizer import Optimizer


def are_parameters(value: Any) -> bool:
    """Whether it is what an optimizer may step, and no setting."""
    if isinstance(value, (Views, Parameters, list, tuple, Iterator)):
        return True
    return any(hasattr(value, name) for name in ("_built_for", "_residents", "_attributes"))


def bound_to(where: str, parameters: Any) -> Any:
    """What an optimizer steps: a model, or what stands for one."""
    if isinstance(parameters, Views):
        if parameters.model is None:
            raise ValueError(f"[{where}] parameters must be what model.parameters() gives")
        return parameters.model
    if hasattr(parameters, "_built_for"):
        parameters._built()  # which says what to do where it has no shapes yet
        return parameters
    if isinstance(parameters, Parameters):
        return joined_of(parameters.owner)
    if hasattr(parameters, "_residents") or is_module(parameters):
        return joined_of(parameters)
    return _bound_to_several(where, parameters)


def _bound_to_several(where: str, given: Iterable[Any]) -> Any:
    """What is in an iterator is asked for at the first step: modules may have no shapes before."""
    if isinstance(given, Iterator):
        return Joined(where, ((str(i), each) for i, each in enumerate(given)))
    several = list(given)
    alone = several and all(isinstance(each, _core.Tensor) for each in several)
    if alone and (native := _core.network_of(several)) is not None:
        return Home(native)
    joined = Joined(where, [(str(i), each) for i, each in enumerate(several)])
    if not joined.found().waiting:
        joined._built()  # which refuses what cannot be stepped
    return joined


class Home:
    """A network of which all parameters that are trained were given."""

    _trained = True

    def __init__(self, native: _core.Network) -> None:
        self._native = native

    def _built(self) -> _core.Network:
        return self._native

    def zero_grad(self) -> None:
        self._native.zero_grad()


def network_to_step(optimizer: Optimizer, target: Any) -> _core.Network:
    """The network of what it steps; where that has more parameters than before, the optimizer goes on with them."""
    network: _core.Network = target._built()
    before = optimizer._network
    if before is network or not isinstance(target, Joined):
        return network
    optimizer._network = network
    if before is None or not optimizer.steps:
        return network
    state = optimizer.state_dict()
    for slot, arrays in state["slots"].items():
        fresh = {name: np.zeros_like(value) for name, value in network.parameters().items()}
        kept = {name: array for name, array in arrays.items() if fresh.get(name, array[None]).shape == array.shape}
        state["slots"][slot] = {**fresh, **{name: array for name, array in kept.items() if name in fresh}}
    rate, optimizer._native = optimizer.learning_rate, optimizer._make()
    optimizer.learning_rate = rate
    optimizer.load_state_dict(state)
    return network


def gradients_into(where: str, grads_and_variables: Iterable[tuple[Any, Any]]) -> list[_core.Tensor]:
    """Writes gradients where their variables keep them; the variables."""
    pairs = list(grads_and_variables)
    for pair in pairs:
        if not (isinstance(pair, (list, tuple)) and len(pair) == 2 and isinstance(pair[1], _core.Tensor)):
            raise TypeError(f"[{where}] apply_gradients takes pairs (gradient, variable), got {_checks.shown(pair)}")
    for gradient, variable in pairs:
        if gradient is not None and not isinstance(gradient, _core.Tensor):
            gradient = _core.tensor(gradient, variable.dtype, False)
        variable.grad = gradient
    return [variable for _, variable in pairs]


class Bindable(type):
    """Classes of optimizers whose first argument may be what they step."""

    def __call__(cls, *args: Any, **options: Any) -> Any:
        given = "params" in options or (args and are_parameters(args[0]))
        if not given:
            return super().__call__(*args, **options)
        parameters = options.pop("params") if "params" in options else args[0]
        if "lr" in options:
            options["learning_rate"] = options.pop("lr")
        optimizer: Optimizer = super().__call__(*(args[1:] if args and args[0] is parameters else args), **options)
        optimizer._stepped = bound_to(cls.__name__, parameters)
        return optimizer


def stepped(optimizer: Optimizer, what: str, model: Any = None) -> Any:
    """What it steps, or is to step; ValueError where it has not been told."""
    if model is not None:
        return joined_of(model) if is_module(model) else _checks.model(what, model)
    if optimizer._stepped is None:
        name = type(optimizer).__name__
        raise ValueError(f"[{name}] {what} needs a model: optimizer.step(model), or {name}(model.parameters(), ...)")
    return optimizer._stepped


def minimized(optimizer: Optimizer, function: Callable[[], Any], parameters: Any) -> Any:
    """One step along the gradient of what a function computes; its value."""
    if optimizer._stepped is None:
        optimizer._stepped = bound_to(type(optimizer).__name__, parameters)
    optimizer.zero_grad()
    value = function()
    if not isinstance(value, _core.Tensor):
        raise TypeError(f"[minimize] function must give a tensor, got {_checks.shown(value)}")
    value.backward()
    optimizer.step()
    return value
